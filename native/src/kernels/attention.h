// What the forward and backward attention kernels share: the checked call, the walk over block lists, the parts of a tile of scores that
// are seen, the score function (softcap, ALiBi, mask), dropout, and how operands of each type are read.
#pragma once
#include <cmath>
#include <limits>
#include <utility>

#include "cpu/context.h"
#include "kernels/philox.h"
#include "kernels/tile.h"
#include "kernels/views.h"

namespace hd::HD_TIER {

constexpr int64_t kBlock = 64;
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

// ---- tiles of scores ----
// They lie transposed, [64 keys][64 queries]: queries are lanes, so that maxima, sums and corrections of a softmax are whole vectors, and
// the keys and values of the call are broadcast operands, read in place.

// A part of a tile: queries [q, q + columns), keys [k0, k1). seen, if given: bit q of word k says that query q sees key k.
struct Panel {
  int64_t q, columns, k0, k1;
  const uint64_t* seen;

  bool covers(int64_t query) const { return q <= query && query < q + columns; }
};
constexpr int64_t kStrip = 16;  // queries, and keys, of the narrowest panel

inline void transpose_bits(uint64_t x[64]) {  // Hacker's Delight, 7-3
  uint64_t mask = 0x00000000ffffffffu;
  for (int half = 32; half > 0; half /= 2, mask ^= mask << half) {
    for (int i = 0; i < 64; i = (i + half + 1) & ~half) {
      const uint64_t swap = ((x[i] >> half) ^ x[i + half]) & mask;
      x[i] ^= swap << half;
      x[i + half] ^= swap;
    }
  }
}

// A short list that lives where its owner does.
template <class T, int Most>
struct Few {
  T items[Most];
  int count = 0;

  void add(const T& item) { items[count++] = item; }
  T* begin() { return items; }
  T* end() { return items + count; }
  const T* begin() const { return items; }
  const T* end() const { return items + count; }
};

// What of a tile is computed: all of it when most pairs are seen. Else its steps, 16 keys or several times that with the queries that see
// one of them, the widest first; they leave out most of what lies beyond a diagonal, and their products stay wide. And its strips, 16
// queries with all keys of the steps that cover them.
class Panels {
 public:
  Panels(const uint64_t* mask, int64_t rows, int64_t keys) {
    const int64_t strips = ceil_div(rows, kStrip);
    if (mask != nullptr && cut(mask, rows, keys)) return;
    const Panel all = {0, strips * kStrip, 0, keys, mask == nullptr ? nullptr : seen(mask, rows)};
    steps_.count = strips_.count = 0;
    steps_.add(all);
    strips_.add(all);
  }
  const Few<Panel, 4>& steps() const { return steps_; }
  const Few<Panel, 4>& strips() const { return strips_; }

 private:
  // False where all of the tile is as good.
  bool cut(const uint64_t* mask, int64_t rows, int64_t keys) {
    const int64_t strips = ceil_div(rows, kStrip);
    uint64_t any[4] = {}, every[4];
    for (int64_t s = 0; s < strips; s++) {
      every[s] = ~uint64_t{0};
      for (int64_t r = s * kStrip; r < least(rows, (s + 1) * kStrip); r++) any[s] |= mask[r], every[s] &= mask[r];
    }
    int64_t work = 0;
    for (int64_t k = 0; k < keys; k += kStrip) {
      const uint64_t bits = (keys - k < kStrip ? (uint64_t{1} << (keys - k)) - 1 : 0xffff) << k;
      int64_t first = strips, end = 0;
      for (int64_t s = 0; s < strips; s++) {
        if ((any[s] & bits) != 0) first = least(first, s), end = s + 1;
      }
      if (end == 0) continue;
      bool whole = true;
      for (int64_t s = first; s < end; s++) whole = whole && (every[s] & bits) == bits;
      const Panel step = {first * kStrip, (end - first) * kStrip, k, least(keys, k + kStrip), whole ? nullptr : seen_};
      work += step.columns * (step.k1 - k);
      add_step(step);
    }
    if (work * 8 > strips * kStrip * keys * 7) return false;
    for (int64_t q = 0; q < strips * kStrip; q += kStrip) {
      Panel strip = {q, kStrip, keys, 0, nullptr};
      int64_t covered = 0;
      for (const Panel& step : steps_) {
        if (!step.covers(q)) continue;
        strip.k0 = least(strip.k0, step.k0);
        strip.k1 = step.k1;
        covered += step.k1 - step.k0;
      }
      if (covered == 0) continue;
      if (covered != strip.k1 - strip.k0) return false;  // keys between that no step computes
      strips_.add(strip);
    }
    for (Panel& step : steps_) {
      if (step.columns > steps_.items[0].columns) std::swap(step, steps_.items[0]);
      if (step.seen != nullptr) seen(mask, rows);
    }
    return true;
  }

  void add_step(const Panel& step) {
    Panel* last = steps_.count > 0 ? &steps_.items[steps_.count - 1] : nullptr;
    if (last == nullptr || last->q != step.q || last->columns != step.columns || last->k1 != step.k0) {
      steps_.add(step);
      return;
    }
    last->k1 = step.k1;
    if (step.seen != nullptr) last->seen = step.seen;
  }

  const uint64_t* seen(const uint64_t* mask, int64_t rows) {
    if (turned_) return seen_;
    for (int64_t r = 0; r < kBlock; r++) seen_[r] = r < rows ? mask[r] : 0;
    transpose_bits(seen_);
    turned_ = true;
    return seen_;
  }

  uint64_t seen_[kBlock];
  bool turned_ = false;
  Few<Panel, 4> steps_, strips_;
};

// Where a tile of scores lies.
struct Place {
  int64_t b, h, q0, k0;
};

// How products become scores. Plain: a positive factor only, which the exponential takes along; else finish_scores applies all of it.
struct Rule {
  bool plain;
  float to_log2;  // of what finish_scores leaves, times this is in units of log2

  explicit Rule(const Attention& a) : plain(a.p.softcap <= 0 && a.slopes == nullptr && a.p.scale > 0) {
    to_log2 = plain ? a.p.scale * kLog2e : kLog2e;
  }
};

// Turns the products s of a panel into scores: scale, softcap and ALiBi unless plain, and -inf where nothing is seen. derivative, if given,
// gets that of the softcap.
inline void finish_scores(float* s, float* derivative, const Attention& a, const Rule& rule, const Place& at, const Panel& p) {
  if (rule.plain && p.seen == nullptr) return;
  const float cap = a.p.softcap;
  vf lane;
  for (int i = 0; i < kLanes; i++) lane[i] = static_cast<float>(i);
  for (int64_t k = p.k0; k < p.k1; k++) {
    for (int64_t q = p.q; q < p.q + p.columns; q += kLanes) {
      float* to = s + k * kBlock + q;
      vf x = load(to);
      if (!rule.plain) {
        x = x * a.p.scale;
        if (cap > 0) {
          const vf th = tanh(x * (1 / cap));
          x = th * cap;
          if (derivative != nullptr) store(derivative + k * kBlock + q, 1.0f - th * th);
        }
        if (a.slopes != nullptr) {
          const vf distance = lane + static_cast<float>(at.q0 + q + a.S - a.T - at.k0 - k);
          x = x - abs(distance) * a.slopes[at.h];
        }
      }
      if (p.seen != nullptr) x = select_bits(static_cast<uint32_t>(p.seen[k] >> q) & ((1u << kLanes) - 1), x, splat(kMinusInf));
      store(to, x);
    }
  }
}

// keep [64 keys][64 queries] of a panel = 0 where the pair is dropped, else 1 / (1 - p).
inline void dropout_panel(float* keep, const Attention& a, const Place& at, const Panel& p) {
  const auto threshold = static_cast<uint32_t>(static_cast<double>(a.p.dropout) * 4294967296.0);
  const float factor = 1 / (1 - a.p.dropout);
  vu lane;
  for (int i = 0; i < kLanes; i++) lane[i] = static_cast<uint32_t>(i);
  for (int64_t k = p.k0 - p.k0 % 4; k < p.k1; k += 4) {
    for (int64_t q = p.q; q < p.q + p.columns; q += kLanes) {
      vu words[4] = {vu{} + static_cast<uint32_t>((at.k0 + k) / 4), lane + static_cast<uint32_t>(at.q0 + q),
                     vu{} + static_cast<uint32_t>(at.b * a.H + at.h), vu{} + static_cast<uint32_t>(a.p.offset)};
      philox4x32_10(words, static_cast<uint64_t>(a.p.seed));
      for (int64_t w = 0; w < 4; w++) store(keep + (k + w) * kBlock + q, words[w] >= threshold ? splat(factor) : vf{});
    }
  }
}

// ---- operands ----
// How numbers of type T are multiplied: bf16 in pairs where the tier can, everything else as f32. Units along a row of D features.
template <class T, bool Pair>
struct Operands {
  static constexpr int64_t kPer = Pair ? 2 : 1;  // numbers in a unit

  static int64_t units(const Attention& a) { return a.D / kPer; }

  // Rows of the call in scratch memory as units, [64][row]; zero past the end.
  static void load_rows(float* to, const T* from, int64_t stride, int64_t rows, const Attention& a) {
    for (int64_t r = 0; r < kBlock; r++) {
      for (int64_t u = 0; u < a.row; u += kLanes) {
        const int n = r < rows ? static_cast<int>(most(0, least(kLanes, units(a) - u))) : 0;
        vf x = {};
        if constexpr (Pair) {
          std::memcpy(&x, from + r * stride + u * 2, static_cast<size_t>(n) * 4);
        } else if (n > 0) {
          x = n == kLanes ? load(from + r * stride + u) : load_n(from + r * stride + u, n);
        }
        store(to + r * a.row + u, x);
      }
    }
  }

  // A row of the call per row of the product, its features the terms: in place if it can be, else widened into `buffer`.
  static Broadcast rows_by_features(const T* from, int64_t stride, int64_t rows, float* buffer, const Attention& a) {
    if constexpr (Pair || sizeof(T) == 4) return {from, stride * static_cast<int64_t>(sizeof(T)), 4};
    load_rows(buffer, from, stride, rows, a);
    return {buffer, a.row * 4, 4};
  }

  // A feature per row of the product, the call's rows the terms (pairs of them: packed into `buffer`). widened: what rows_by_features gave.
  static Broadcast features_by_rows(const T* from, int64_t stride, int64_t rows, float* buffer, const Broadcast& widened,
                                    const Attention& a) {
    if constexpr (!Pair) return {widened.data, 4, widened.row};
    pack_pairs(buffer, from, stride, rows, a);
    return {buffer, 4, a.row * 4};
  }

  // to [32][row]: unit (i, d) = (row 2i, row 2i + 1) at feature d; zero past the end.
  static void pack_pairs(float* to, const T* from, int64_t stride, int64_t rows, const Attention& a) {
    if constexpr (Pair) {
      for (int64_t r = 0; r < kBlock; r += 2) {
        for (int64_t d = 0; d < a.row; d += kLanes) {
          const int n = static_cast<int>(most(0, least(kLanes, a.D - d)));
          const auto read = [&](int64_t i) {
            if (i >= rows || n == 0) return vi{};
            const T* x = from + i * stride + d;
            return as_int(n == kLanes ? load(x) : load_n(x, n));  // bf16 in the upper half
          };
          store(to + r / 2 * a.row + d, as_float((vi)((vu)read(r) >> 16) | read(r + 1)));
        }
      }
    }
  }

  // Terms of the sum over keys [k0, k1) or queries.
  static int64_t terms(int64_t count) { return (count + kPer - 1) / kPer; }
};

// f(Operands) for the call's type and shape.
template <class F>
hd_status with_operands(const Attention& a, int32_t dtype, const F& f) {
  if (kPairs && dtype == HD_BF16 && a.D % 2 == 0) return f(Operands<bf16, kPairs>{}, bf16{});
  return with_float(dtype, [&](auto type) { return f(Operands<decltype(type), false>{}, type); });
}

// Cuts a task's scratch memory, 64-byte aligned, into arrays of floats.
class Cut {
 public:
  explicit Cut(void* memory) : at_(static_cast<float*>(memory)) {}
  float* take(int64_t n) {
    float* taken = at_;
    at_ += ceil_div(n, 16) * 16;
    return taken;
  }

 private:
  float* at_;
};

inline void fill(float* to, int64_t n, float value) {
  for (int64_t i = 0; i < n; i++) to[i] = value;
}

// rows x D numbers of `tile` [rows][row], times scale, to the call's tensor.
template <class T>
void store_rows(T* to, int64_t stride, const float* tile, int64_t rows, float scale, const Attention& a) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t d = 0; d < a.D; d += kLanes) {
      const vf y = load(tile + r * a.row + d) * scale;
      const int n = static_cast<int>(least(kLanes, a.D - d));
      n == kLanes ? store(to + r * stride + d, y) : store_n(to + r * stride + d, y, n);
    }
  }
}

// Fills a from the tensors q k v ... o lse; names are those of ops.def.
hd_status check_attention(const Call& call, const hd_tensor* o, const hd_tensor* lse, const Layout& rows, const hd_tensor* slopes,
                          const hd_tensor* offset, Attention& a);

}  // namespace hd::HD_TIER
