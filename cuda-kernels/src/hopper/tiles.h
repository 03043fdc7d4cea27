// A consumer warpgroup's tiles in registers: 64 rows of wgmma's accumulator layout. Thread t of the group has rows own_row() and own_row()
// + 8; its columns are 8 i + t % 4 * 2 and the one after it: x[4 i], x[4 i + 1] in the first row, x[4 i + 2], x[4 i + 3] in the second.
#pragma once
#include "attention.h"
#include "hopper/instructions.h"

namespace hd::hopper {

constexpr int kGroupThreads = 128;  // of a warpgroup

__device__ inline int own_row() { return static_cast<int>(threadIdx.x) % 128 / 32 * 16 + static_cast<int>(threadIdx.x) % 32 / 4; }
__device__ inline int own_column() { return static_cast<int>(threadIdx.x) % 4 * 2; }

// A warp is done with what a barrier guards.
__device__ __forceinline__ void release(uint64_t* barrier) {
  __syncwarp();
  if (threadIdx.x % 32 == 0) arrive(barrier);
}

// What a consumer sees of a block, read while the products run whose columns are its keys: the words of the thread's two rows.
struct Seen {
  uint64_t row, next;  // own_row() and own_row() + 8

  // mask: as in a list, or negative for nothing; left: columns of the block that exist.
  __device__ void read(const int64_t* masks, int32_t mask, int32_t left) {
    row = next = mask < 0 || left <= 0 ? 0 : ~uint64_t{0};
    if (mask > 0) {
      const int64_t* words = masks + static_cast<int64_t>(mask) * kTile + own_row();
      row = static_cast<uint64_t>(__ldg(words));
      next = static_cast<uint64_t>(__ldg(words + 8));
    }
    if (left > 0 && left < kTile) {
      row &= (uint64_t{1} << left) - 1;
      next &= (uint64_t{1} << left) - 1;
    }
  }
  __device__ bool all() const { return (row & next) == ~uint64_t{0}; }
};

// The 64 columns that start at register `at` become -inf where they are not seen.
template <int R>
__device__ void hide(float (&s)[R], int at, const Seen& seen) {
  const uint64_t row = seen.row >> own_column(), next = seen.next >> own_column();
  const uint32_t a[2] = {static_cast<uint32_t>(row), static_cast<uint32_t>(row >> 32)};
  const uint32_t b[2] = {static_cast<uint32_t>(next), static_cast<uint32_t>(next >> 32)};
#pragma unroll
  for (int t = 0; t < 8; t++) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const uint32_t bit = 1u << (t % 4 * 8 + i);
      float &x = s[at + t * 4 + i], &y = s[at + t * 4 + 2 + i];
      x = a[t / 4] & bit ? x : -INFINITY;
      y = b[t / 4] & bit ? y : -INFINITY;
    }
  }
}

// The same where rows are keys and columns queries: the words belong to columns. Lane l reads those of columns 2 l and 2 l + 1 and keeps
// the bits of its warp's 16 rows.
__device__ inline uint32_t read_columns(const int64_t* masks, int32_t mask) {
  if (mask == 0) return ~0u;
  const auto words = __ldg(reinterpret_cast<const longlong2*>(masks + static_cast<int64_t>(mask) * kTile) + threadIdx.x % 32);
  const int rows = own_row() & ~15;
  return (static_cast<uint32_t>(static_cast<uint64_t>(words.x) >> rows) & 0xffff) |
         static_cast<uint32_t>(static_cast<uint64_t>(words.y) >> rows) << 16;
}
__device__ inline void hide_columns(float (&s)[32], uint32_t seen) {
  const int row = own_row() % 16;
#pragma unroll
  for (int t = 0; t < 8; t++) {
    const uint32_t bits = __shfl_sync(0xffffffffu, seen, t * 4 + static_cast<int>(threadIdx.x) % 4) >> row;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      s[4 * t + i] = bits >> 16 * i & 1 ? s[4 * t + i] : -INFINITY;
      s[4 * t + 2 + i] = bits >> 16 * i & 0x100 ? s[4 * t + 2 + i] : -INFINITY;
    }
  }
}

// An accumulator as the left operand of the next product.
template <int R, class T>
__device__ void pack(const float (&s)[R], uint32_t (&p)[R / 2], T) {
#pragma unroll
  for (int i = 0; i < R / 2; i++) p[i] = packed<T>(s[2 * i], s[2 * i + 1]);
}

// The left operand [64, D] of a consumer's products of rows, a tile that the copy engine brought: read from shared memory by each product,
// or kept in registers, which halves (N = 64) what a product reads there.
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

// A consumer's result, rows times their factors, to a tile in shared memory and from there to rows from `row` of a tensor. All threads of
// the consumer call it; `name` is a barrier of theirs. The tile may be overwritten once stores_read() has returned in the thread that
// leads().
__device__ inline bool leads() { return threadIdx.x % kGroupThreads == 0; }
template <class T, int D>
__device__ void put_tile(char* tile, const float (&x)[D / 2], float factor0, float factor1, T) {
#pragma unroll
  for (int i = 0; i < D / 16; i++) {
    const float* y = x + 8 * i;
    const uint32_t a[4] = {packed<T>(y[0] * factor0, y[1] * factor0), packed<T>(y[2] * factor1, y[3] * factor1),
                           packed<T>(y[4] * factor0, y[5] * factor0), packed<T>(y[6] * factor1, y[7] * factor1)};
    store_operand(a, tile + i / 4 * kTile * 128, own_row() & ~15, i % 4);
  }
}
template <int D>
__device__ void send_tile(const char* tile, const CUtensorMap* map, int32_t row, int32_t head, int32_t batch) {
#pragma unroll
  for (int c = 0; c < D / 64; c++) store_box(tile + c * kTile * 128, map, c * 64, row, head, batch);
}
}  // namespace hd::hopper
