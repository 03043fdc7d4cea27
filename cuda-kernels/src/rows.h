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

// Words to choose from, not packs: of those the compiler makes elements as soon as they come, which is a wait right after the load.
template <class T>
__device__ Bits<T> bits_of(uint4 word) {
  Bits<T> bits;
  memcpy(&bits, &word, sizeof bits);
  return bits;
}
template <class T>
__device__ Bits<T> pack_at(const T* row, int pack, int packs) {
  return bits_of<T>(pack < packs ? reinterpret_cast<const uint4*>(row)[pack] : uint4{});
}
// The same for a pack that nobody reads again.
template <class T>
__device__ Bits<T> pack_once(const T* row, int pack, int packs) {
  return bits_of<T>(pack < packs ? load_once(row + pack * kWidth<T>) : uint4{});
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

// Joins x over the warp, or over teams that are parts of one, in halves; every lane gets the result.
template <class Op, int N>
__device__ void join_lanes(float (&x)[N]) {
  const auto join = [&](int step) {
#pragma unroll
    for (int i = 0; i < N; i++) x[i] = Op::join(x[i], __shfl_xor_sync(0xffffffffu, x[i], step));
  };
  if (blockDim.x >= 32) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) join(step);
  } else {
    for (int step = static_cast<int>(blockDim.x) / 2; step > 0; step /= 2) join(step);
  }
}

// Joins what each warp of the team (two or more) has left in its place of `parts`, in halves; every thread gets the result. One load and a
// few exchanges: a loop over the places was a tenth of a kernel's instructions. All lanes of a warp must call it.
template <class Op>
__device__ float join_parts(const float* parts, float neutral) {
  const int warps = static_cast<int>(blockDim.x) / 32, span = 1 << (32 - __clz(warps - 1));
  const int place = static_cast<int>(threadIdx.x) & (span - 1);
  float x = place < warps ? parts[place] : neutral;
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    if (step < span) x = Op::join(x, __shfl_xor_sync(0xffffffffu, x, step));
  }
  return x;
}

// Sums x over the team, up to 1024 threads, in a fixed order; every thread gets the result. slot is 0 and 1 in turn: a slot that comes
// round again has been read by all, as they have met at the barrier of the other one. All threads of the block must call it.
template <int N>
__device__ void row_sum(float (&x)[N], int slot) {
  join_lanes<Add>(x);
  if (blockDim.x <= 32) return;
  __shared__ float parts[2][N][32];
  const unsigned warp = threadIdx.x / 32;
  if (threadIdx.x % 32 == 0) {
#pragma unroll
    for (int i = 0; i < N; i++) parts[slot][i][warp] = x[i];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < N; i++) x[i] = join_parts<Add>(parts[slot][i], 0.0f);
}

struct Higher {
  __device__ static float join(float a, float b) { return fmaxf(a, b); }
};

// The largest x of the team, NaN left out. Between two calls there must be a row_sum, at whose barrier all have read what this one left.
__device__ inline float row_max(float x) {
  float top[1] = {x};
  join_lanes<Higher>(top);
  if (blockDim.x <= 32) return top[0];
  __shared__ float parts[32];
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = top[0];
  __syncthreads();
  return join_parts<Higher>(parts, -INFINITY);
}
}  // namespace hd
