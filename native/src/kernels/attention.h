// What the forward and backward attention kernels share: the checked call, the walk over block lists, tiles of 64 x 64 in f32, and the
// score function (softcap, ALiBi, mask) on such a tile.
#pragma once
#include <cmath>
#include <limits>

#include "cpu/context.h"
#include "kernels/philox.h"
#include "kernels/views.h"

namespace hd::HD_TIER {

constexpr int64_t kBlock = 64;
constexpr int kVectors = static_cast<int>(kBlock) / kLanes;  // vectors in a row of a tile
constexpr float kMinusInf = -std::numeric_limits<float>::infinity();
constexpr float kLog2e = 1.44269504f;

struct Layout {  // tensors of the call, or null
  const hd_tensor *ptr, *blocks, *masks, *group;
};

struct Attention {
  int64_t B, H, K, T, S, D, row;  // row: D rounded up to whole vectors, the row of a tile
  hd_AttentionParams p;
  const float* slopes;

  int64_t q_blocks() const { return ceil_div(T, kBlock); }
  int64_t k_blocks() const { return ceil_div(S, kBlock); }
};

template <class T>
const T* head_at(const hd_tensor& x, int64_t b, int64_t h, int64_t i) {
  return reinterpret_cast<const T*>(x.data) + b * x.stride[0] + h * x.stride[1] + i * x.stride[2];
}
template <class T>
T* head_out(const hd_tensor& x, int64_t b, int64_t h, int64_t i) {
  return const_cast<T*>(head_at<T>(x, b, h, i));
}

// One entry of a block list.
struct Entry {
  int64_t block;
  const uint64_t* mask;  // null: FULL
};

class BlockList {
 public:
  // The entries of block `i` in batch row b for head h; every block up to `all` without a layout.
  BlockList(const Layout& layout, int64_t b, int64_t h, int64_t i, int64_t all) : layout_(layout) {
    if (layout.ptr == nullptr) {
      end_ = all;
      return;
    }
    const hd_tensor& ptr = *layout.ptr;
    const int64_t group = layout.group == nullptr ? 0 : reinterpret_cast<const int32_t*>(layout.group->data)[h * layout.group->stride[0]];
    const int64_t batch = ptr.shape[0] == 1 ? 0 : b;
    auto p = reinterpret_cast<const int32_t*>(ptr.data) + batch * ptr.stride[0] + group * ptr.stride[1];
    begin_ = p[i];
    end_ = p[i + 1];
  }
  int64_t begin() const { return begin_; }
  int64_t end() const { return end_; }
  Entry at(int64_t e) const {
    if (layout_.ptr == nullptr) return {e, nullptr};
    auto pair = reinterpret_cast<const int32_t*>(layout_.blocks->data) + e * layout_.blocks->stride[0];
    if (pair[1] == 0) return {pair[0], nullptr};
    return {pair[0], reinterpret_cast<const uint64_t*>(layout_.masks->data) + pair[1] * layout_.masks->stride[0]};
  }

 private:
  const Layout& layout_;
  int64_t begin_ = 0;
  int64_t end_ = 0;
};

// ---- tiles: [64][row] or [row][64] floats, rows past the end are zero ----

template <class T>
void load_tile(float* tile, const T* from, int64_t stride, int64_t rows, const Attention& a, float scale) {
  for (int64_t r = 0; r < kBlock; r++) {
    for (int64_t d = 0; d < a.row; d += kLanes) {
      const int n = r < rows ? static_cast<int>(least(kLanes, a.D - d)) : 0;
      const vf x = n == kLanes ? load(from + r * stride + d) : n > 0 ? load_n(from + r * stride + d, n) : vf{};
      store(tile + r * a.row + d, x * scale);
    }
  }
}

// to [row][64] = transpose of from [64][row]
inline void transpose_tile(float* to, const float* from, const Attention& a) {
  for (int64_t d = 0; d < a.row; d++) {
    for (int64_t r = 0; r < kBlock; r++) to[d * kBlock + r] = from[r * a.row + d];
  }
}

// c [64][n] (+)= a [64][k] b [k][n], n a multiple of the vector; four rows by 64 columns stay in registers.
template <bool Add>
void multiply_tile(float* c, int64_t ldc, const float* a, int64_t lda, const float* b, int64_t ldb, int64_t k, int64_t n) {
  constexpr int kRows = kLanes == 16 ? 4 : 2;
  constexpr int kWide = kLanes == 16 ? 4 : 4;
  for (int64_t j = 0; j < n; j += kWide * kLanes) {
    const int wide = static_cast<int>(least(kWide, (n - j) / kLanes));
    for (int64_t i = 0; i < kBlock; i += kRows) {
      vf acc[kRows][kWide] = {};
      if (wide == kWide) {
        for (int64_t x = 0; x < k; x++) {
          vf bv[kWide];
          for (int w = 0; w < kWide; w++) bv[w] = load(b + x * ldb + j + w * kLanes);
          for (int r = 0; r < kRows; r++) {
            const vf av = splat(a[(i + r) * lda + x]);
            for (int w = 0; w < kWide; w++) acc[r][w] = fma(av, bv[w], acc[r][w]);
          }
        }
      } else {
        for (int64_t x = 0; x < k; x++) {
          for (int r = 0; r < kRows; r++) {
            const vf av = splat(a[(i + r) * lda + x]);
            for (int w = 0; w < wide; w++) acc[r][w] = fma(av, load(b + x * ldb + j + w * kLanes), acc[r][w]);
          }
        }
      }
      for (int r = 0; r < kRows; r++) {
        for (int w = 0; w < wide; w++) {
          float* to = c + (i + r) * ldc + j + w * kLanes;
          store(to, Add ? load(to) + acc[r][w] : acc[r][w]);
        }
      }
    }
  }
}

// Where a tile of scores lies.
struct Place {
  int64_t b, h, q0, k0;
};

// Turns products (already times scale) into scores in place: softcap, ALiBi, and -inf where nothing is seen. raw, if given, gets the
// derivative of the softcap at each score.
inline void finish_scores(float* s, float* derivative, const Attention& a, const Place& at, const uint64_t* mask) {
  const int64_t rows = least(kBlock, a.T - at.q0);
  const int64_t columns = least(kBlock, a.S - at.k0);
  const float cap = a.p.softcap;
  for (int64_t r = 0; r < kBlock; r++) {
    float* row = s + r * kBlock;
    if (cap > 0) {
      for (int64_t c = 0; c < kBlock; c += kLanes) {
        const vf th = tanh(load(row + c) * (1 / cap));
        store(row + c, th * cap);
        if (derivative != nullptr) store(derivative + r * kBlock + c, 1.0f - th * th);
      }
    }
    if (a.slopes != nullptr) {
      const float slope = a.slopes[at.h];
      const int64_t position = at.q0 + r + a.S - a.T;
      for (int64_t c = 0; c < kBlock; c++) row[c] -= slope * static_cast<float>(std::llabs(position - at.k0 - c));
    }
    const uint64_t inside = columns == kBlock ? ~uint64_t{0} : (uint64_t{1} << columns) - 1;
    const uint64_t seen = r >= rows ? 0 : inside & (mask == nullptr ? ~uint64_t{0} : mask[r]);
    if (seen == ~uint64_t{0}) continue;
    for (int64_t c = 0; c < kBlock; c++) row[c] = (seen >> c & 1) != 0 ? row[c] : kMinusInf;
  }
}

// keep[r][c] = 0 where (q0 + r, k0 + c) is dropped, else 1 / (1 - p).
inline void dropout_tile(float* keep, const Attention& a, const Place& at) {
  const auto threshold = static_cast<uint32_t>(static_cast<double>(a.p.dropout) * 4294967296.0);
  const float factor = 1 / (1 - a.p.dropout);
  const auto seed = static_cast<uint64_t>(a.p.seed);
  for (int64_t r = 0; r < kBlock; r++) {
    for (int64_t c = 0; c < kBlock; c += 4) {
      uint32_t words[4] = {static_cast<uint32_t>((at.k0 + c) / 4), static_cast<uint32_t>(at.q0 + r),
                           static_cast<uint32_t>(at.b * a.H + at.h), static_cast<uint32_t>(a.p.offset)};
      philox4x32_10(words, static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
      for (int64_t w = 0; w < 4; w++) keep[r * kBlock + c + w] = words[w] >= threshold ? factor : 0;
    }
  }
}

// Fills a from the tensors q k v ... o lse; names are those of ops.def.
hd_status check_attention(const Call& call, const hd_tensor* o, const hd_tensor* lse, const Layout& rows, const hd_tensor* slopes,
                          Attention& a);

}  // namespace hd::HD_TIER
