// For kernels that keep a whole row in registers, so that memory is read once: rows of whole, aligned packs at one stride. A team of
// threads (x) has a row, each thread K packs of it, one 16-byte access each, all under way before the first is used; blocks hold several
// teams (y) when rows are short. What is longer, unaligned or strided otherwise goes the general way (View and load_pack of device.h).
#pragma once
#include "device.h"

namespace hd {

template <class T>
struct Flat {
  T* data;
  int64_t stride;

  explicit Flat(const View<T>& v) : data(v.data), stride(v.rows.rank == 0 ? 0 : v.rows.stride[0]) {}
  __device__ T* row(int64_t r) const { return data + r * stride; }
};

template <class... V>
bool is_flat(const V&... views) {
  return ((views.data == nullptr || (views.rows.rank <= 1 && views.vector)) && ...);
}
template <class... V>
bool is_flat_column(const V&... views) {  // one number per row
  return ((views.data == nullptr || views.rows.rank <= 1) && ...);
}

// The team of a row of `packs` packs when a thread has up to K of them, K > 1 for rows of more than a warp's packs.
inline dim3 row_team(int64_t packs, int k) {
  if (packs > 32 * k) return dim3(static_cast<unsigned>(ceil_div(ceil_div(packs, k), 32) * 32));
  unsigned x = 1;
  while (x < packs && x < 32) x *= 2;
  return dim3(x, kThreads / x);
}

template <class T>
__device__ Bits<T> pack_at(const T* row, int pack, int packs) {
  return pack < packs ? reinterpret_cast<const Bits<T>*>(row)[pack] : Bits<T>{};
}

template <class T>
__device__ void store_at(T* row, int pack, int packs, const Bits<T>& bits) {
  if (pack < packs) reinterpret_cast<Bits<T>*>(row)[pack] = bits;
}

// Makes the compiler forget what it has worked out from the pack: it then holds 4 registers of it over a barrier instead of what it was
// turned into, and turns it again, which costs less than the registers.
template <class T>
__device__ void forget(Bits<T>& pack) {
#ifndef HD_EMULATE
  uint4& bits = reinterpret_cast<uint4&>(pack);
  asm volatile("" : "+r"(bits.x), "+r"(bits.y), "+r"(bits.z), "+r"(bits.w));
#else
  static_cast<void>(pack);
#endif
}

// Sums x over the team, up to 1024 threads, in a fixed order; every thread gets the result. slot is 0 and 1 in turn: a slot that comes
// round again has been read by all, as they have met at the barrier of the other one. All threads of the block must call it.
template <int N>
__device__ void row_sum(float (&x)[N], int slot) {
  const unsigned width = blockDim.x;
  for (int step = static_cast<int>(width < 32 ? width : 32) / 2; step > 0; step /= 2) {
#pragma unroll
    for (int i = 0; i < N; i++) x[i] += __shfl_xor_sync(0xffffffffu, x[i], step);
  }
  if (width <= 32) return;
  __shared__ float parts[2][N][32];
  const unsigned warp = threadIdx.x / 32, warps = width / 32;
  if (threadIdx.x % 32 == 0) {
#pragma unroll
    for (int i = 0; i < N; i++) parts[slot][i][warp] = x[i];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < N; i++) x[i] = 0;
#pragma unroll 4
  for (unsigned p = 0; p < warps; p++) {
#pragma unroll
    for (int i = 0; i < N; i++) x[i] += parts[slot][i][p];
  }
}

// The largest x of the team, NaN left out. Between two calls there must be a row_sum, at whose barrier all have read what this one left.
__device__ inline float row_max(float x) {
  const unsigned width = blockDim.x;
  for (int step = static_cast<int>(width < 32 ? width : 32) / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
  if (width <= 32) return x;
  __shared__ float parts[32];
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
#pragma unroll 4
  for (unsigned p = 0; p < width / 32; p++) x = fmaxf(x, parts[p]);
  return x;
}
}  // namespace hd
