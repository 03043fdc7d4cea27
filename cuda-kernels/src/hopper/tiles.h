// A consumer warpgroup's tiles in registers: 64 rows of wgmma's accumulator layout. Thread t of the group has rows own_row() and own_row() + 8;
// its columns are 8 i + t % 4 * 2 and the one after it: x[4 i], x[4 i + 1] in the first row, x[4 i + 2], x[4 i + 3] in the second.
#pragma once
#include "attention.h"
#include "hopper/instructions.h"

namespace hd::hopper {

constexpr int kGroupThreads = 128;  // of a warpgroup

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

// A consumer's result, rows times their factors, to a tile in shared memory and from there to rows from `row` of a tensor. All threads of the
// consumer call it; `name` is a barrier of theirs. The tile may be overwritten once stores_read() has returned in the thread that leads().
__device__ inline bool leads() { return threadIdx.x % kGroupThreads == 0; }
template <class T, int D>
__device__ void put_tile(char* tile, const float (&x)[D / 2], float factor0, float factor1, T) {
#pragma unroll
  for (int i = 0; i < D / 16; i++) {
    const float* y = x + 8 * i;
    const uint32_t a[4] = {pair(y[0] * factor0, y[1] * factor0, T{}), pair(y[2] * factor1, y[3] * factor1, T{}),
                           pair(y[4] * factor0, y[5] * factor0, T{}), pair(y[6] * factor1, y[7] * factor1, T{})};
    store_operand(a, tile + i / 4 * kTile * 128, own_row() & ~15, i % 4);
  }
}
template <int D>
__device__ void send_tile(const char* tile, const CUtensorMap* map, int32_t row, int32_t head, int32_t batch) {
#pragma unroll
  for (int c = 0; c < D / 64; c++) store_box(tile + c * kTile * 128, map, c * 64, row, head, batch);
}
}  // namespace hd::hopper
