// The words of CUDA C++ that the kernels use, for a host compiler: the threads of a block are fibers of one host thread, run in turn up to
// the next barrier (fibers.h). For tests without a GPU; included before everything else (-include). What it cannot show: races between
// barriers, memory limits, speed, and the GPU's own exp, log and sin.
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>

#undef __shared__
#undef __global__
#undef __launch_bounds__
#undef __grid_constant__
#define __grid_constant__
#define __shared__ static
#define __global__
#define __launch_bounds__(...)
#ifndef __noinline__
#define __noinline__
#endif

struct EmulatedIndex {
  unsigned x, y, z;
};
extern EmulatedIndex emulated_thread, emulated_block;
extern dim3 emulated_block_size, emulated_grid;
#define threadIdx emulated_thread
#define blockIdx emulated_block
#define blockDim emulated_block_size
#define gridDim emulated_grid

char* emulated_shared();
// A kernel: at once, and on a stream.
void emulated_run(dim3 grid, dim3 block, int64_t shared, const std::function<void()>& kernel);
void emulated_launch(cudaStream_t stream, dim3 grid, dim3 block, int64_t shared, const std::function<void()>& kernel);
void __syncthreads();
void __syncwarp();
// The slots of the warp, 8 bytes per lane; holds until the next call.
uint64_t* emulated_exchange(uint64_t mine);
int emulated_lane();

template <class T>
T __shfl_sync(unsigned, T x, int source) {
  uint64_t bits = 0;
  std::memcpy(&bits, &x, sizeof x);
  std::memcpy(&x, emulated_exchange(bits) + source, sizeof x);
  return x;
}
template <class T>
T __shfl_xor_sync(unsigned mask, T x, int step) {
  return __shfl_sync(mask, x, emulated_lane() ^ step);
}
inline unsigned __ballot_sync(unsigned, bool vote) {
  const uint64_t* votes = emulated_exchange(vote);
  unsigned bits = 0;
  for (int i = 0; i < 32; i++) bits |= static_cast<unsigned>(votes[i] != 0) << i;
  return bits;
}
template <class T>
unsigned __match_any_sync(unsigned, T x) {
  uint64_t mine = 0;
  std::memcpy(&mine, &x, sizeof x);
  const uint64_t* all = emulated_exchange(mine);
  unsigned bits = 0;
  for (int i = 0; i < 32; i++) bits |= static_cast<unsigned>(all[i] == mine) << i;
  return bits;
}
inline bool __any_sync(unsigned mask, bool vote) { return __ballot_sync(mask, vote) != 0; }
inline int __reduce_min_sync(unsigned, int x) {
  const uint64_t* all = emulated_exchange(static_cast<uint64_t>(int64_t{x}));
  int least = x;
  for (int i = 0; i < 32; i++) least = std::min(least, static_cast<int>(static_cast<int64_t>(all[i])));
  return least;
}
template <class T>
T __ldg(const T* p) {
  return *p;
}
// Before an atomic operation other threads get a turn, and other blocks where they run side by side.
void emulated_pause();
template <class T>
T atomicOr(T* p, std::type_identity_t<T> x) {
  emulated_pause();
  const T old = *p;
  *p |= x;
  return old;
}
template <class T>
T atomicAdd(T* p, std::type_identity_t<T> x) {
  emulated_pause();
  const T old = *p;
  *p += x;
  return old;
}
template <class T>
T atomicMin(T* p, std::type_identity_t<T> x) {
  emulated_pause();
  const T old = *p;
  if (x < old) *p = x;
  return old;
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> x) {
  emulated_pause();
  const T old = *p;
  if (x > old) *p = x;
  return old;
}
inline void __threadfence() {}
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x)); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline long long __double_as_longlong(double x) {
  long long bits;
  std::memcpy(&bits, &x, sizeof x);
  return bits;
}
inline double __longlong_as_double(long long bits) {
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
template <class T>
T __ldcg(const T* p) {
  return *p;
}
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned selector) {
  const uint64_t bytes = static_cast<uint64_t>(high) << 32 | low;
  unsigned out = 0;
  for (int i = 0; i < 4; i++) out |= static_cast<unsigned>(bytes >> 8 * (selector >> 4 * i & 7) & 0xff) << 8 * i;
  return out;
}
inline uint32_t __float_as_uint(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof x);
  return bits;
}
inline float __uint_as_float(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
inline float __fdividef(float a, float b) { return a / b; }
inline float cospif(float x) { return static_cast<float>(std::cos(static_cast<double>(x) * 3.14159265358979323846)); }
inline float sinpif(float x) { return static_cast<float>(std::sin(static_cast<double>(x) * 3.14159265358979323846)); }
using std::exp;
using std::fabs;
using std::log;
using std::max;
using std::min;
using std::sqrt;
using std::tanh;
