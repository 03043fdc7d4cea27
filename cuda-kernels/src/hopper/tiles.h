// A consumer warpgroup's tiles in registers: 64 rows of wgmma's accumulator layout. Thread t of the group has rows own_row() and own_row() + 8;
// its columns are 8 i + t % 4 * 2 and the one after it: x[4 i], x[4 i + 1] in the first row, x[4 i + 2], x[4 i + 3] in the second.
#pragma once
#include "attention.h"
#include "hopper/instructions.h"

namespace hd::hopper {

__device__ inline int own_row() { return static_cast<int>(threadIdx.x) % 128 / 32 * 16 + static_cast<int>(threadIdx.x) % 32 / 4; }
__device__ inline int own_column() { return static_cast<int>(threadIdx.x) % 4 * 2; }

// The bits of one row of a mask, the thread's first column at bit 0.
struct Words {
  uint32_t low, high;
};
// left: columns of the block that exist.
__device__ inline Words words_of(const int64_t* masks, int32_t mask, int row, int32_t left, int shift) {
  uint64_t bits = mask < 0 ? 0 : mask == 0 ? ~uint64_t{0} : static_cast<uint64_t>(__ldg(masks + static_cast<int64_t>(mask) * kTile + row));
  if (left < kTile) bits &= left <= 0 ? 0 : (uint64_t{1} << left) - 1;
  bits >>= shift;
  return {static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)};
}

// The 64 columns that start at register `at` become -inf where the words of the thread's two rows have no bit.
template <int R>
__device__ void hide(float (&s)[R], int at, const Words& a, const Words& b) {
#pragma unroll
  for (int t = 0; t < 8; t++) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const uint32_t bit = 1u << (t % 4 * 8 + i);
      float &x = s[at + t * 4 + i], &y = s[at + t * 4 + 2 + i];
      x = (t < 4 ? a.low : a.high) & bit ? x : -INFINITY;
      y = (t < 4 ? b.low : b.high) & bit ? y : -INFINITY;
    }
  }
}

// An accumulator as the left operand of the next product.
template <int R, class T>
__device__ void pack(const float (&s)[R], uint32_t (&p)[R / 2], T) {
#pragma unroll
  for (int i = 0; i < R / 2; i++) p[i] = pair(s[2 * i], s[2 * i + 1], T{});
}

// The left operand [64, D] of a consumer's products of rows, a tile that the copy engine brought: read from shared memory by each product, or
// kept in registers, which halves (N = 64) what a product reads there.
template <class T, int D, bool Registers>
struct Left {
  uint32_t part[Registers ? D / 4 : 1];
  uint64_t tile;

  __device__ void load(const char* from) {
    tile = rows_operand(from);
    if constexpr (Registers) {
#pragma unroll
      for (int i = 0; i < D / 16; i++) load_operand(part + 4 * i, from + i / 4 * kTile * 128, own_row() & ~15, i % 4);
    }
  }
  // x = this b^T; column_bytes: from one 64-column of b to the next.
  template <int N>
  __device__ void multiply(float (&x)[N / 2], uint64_t b, uint32_t column_bytes) const {
#pragma unroll
    for (int i = 0; i < D / 16; i++) {
      const uint64_t at = b + bytes(i / 4 * column_bytes + i % 4 * 32);
      if constexpr (Registers) {
        product_rows(x, part + 4 * i, at, i > 0, T{});
      } else {
        product(x, tile + bytes(i / 4 * kTile * 128 + i % 4 * 32), at, i > 0, T{});
      }
    }
  }
};

// Row r of the thread's two, times factor. n, the columns that exist, is even.
template <class T, int D>
__device__ void store_row(const float (&x)[D / 2], int r, float factor, T* to, int64_t n) {
  to += own_column();
  const int columns = static_cast<int>(n) - own_column();
#pragma unroll
  for (int t = 0; t < D / 8; t++) {
    if (t * 8 < columns) *reinterpret_cast<uint32_t*>(to + t * 8) = pair(x[4 * t + 2 * r] * factor, x[4 * t + 2 * r + 1] * factor, T{});
  }
}

// Whether store_row's 4-byte writes are aligned in every row.
inline bool pairs_of_elements(const hd_tensor& t) {
  bool even = t.data % 4 == 0;
  for (int d = 0; d < 3; d++) even = even && (t.shape[d] == 1 || t.stride[d] % 2 == 0);
  return even;
}
}  // namespace hd::hopper
