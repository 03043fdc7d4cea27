// Warp-level instructions of sm_80 and later, one function each: ldmatrix, mma.sync m16n8k16, cp.async, ex2. All 32 lanes of a warp call
// them together. Fragments, as the PTX ISA lays them out, with g = lane / 4 and c = 2 (lane % 4); a register holds the elements of columns
// (A, C: of rows of B) c and c + 1, the lower one in its low half:
//   A 16x16: a[0] row g, columns c..; a[1] row g+8, columns c..; a[2] row g, columns c+8..; a[3] row g+8, columns c+8..
//   B 16x8: b0 rows c.., b1 rows c+8.., both of column g
//   C, D 16x8 in f32: d[0], d[1] row g, columns c, c+1; d[2], d[3] row g+8
// The emulation (emulate/emulated_mma.h) has the same tables a second time, written from the manual and not from this page.
#pragma once
#include "device.h"
#ifdef HD_EMULATE
#include <bit>

#include "emulated_mma.h"
#endif

namespace hd {

__device__ inline int lane_id() { return static_cast<int>(threadIdx.x) % 32; }

// threadIdx.x, read anew: what is computed from it is not kept in registers across a loop.
__device__ inline int thread_again() {
#ifndef HD_EMULATE
  int x;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(x));
  return x;
#else
  return static_cast<int>(threadIdx.x);
#endif
}

// Two floats as elements of T in one register, the first in the low half.
template <class T>
__device__ uint32_t packed(float low, float high) {
  union {
    T item[2];
    uint32_t bits;
  } u;
#ifndef HD_EMULATE
  if constexpr (std::is_same_v<T, bf16>) {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(u.bits) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(u.bits) : "f"(high), "f"(low));
  }
#else
  put(u.item[0], low);
  put(u.item[1], high);
#endif
  return u.bits;
}

#ifndef HD_EMULATE
// A position in shared memory, in bytes.
using Shared = uint32_t;
__device__ inline Shared shared_address(const void* p) { return static_cast<Shared>(__cvta_generic_to_shared(p)); }

// Four 8x8 matrices of 16-bit elements; lane i gives the address of row i % 8 of matrix i / 8 (16 bytes, aligned). r[m]: row g, columns c
// and c + 1 of matrix m.
__device__ inline void load_matrices(Shared row, uint32_t (&r)[4]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row));
}
// The same, transposed: r[m] holds rows c and c + 1 of column g.
__device__ inline void load_transposed(Shared row, uint32_t (&r)[4]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row));
}

// d += A B
template <class T>
__device__ void multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  if constexpr (std::is_same_v<T, bf16>) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}

// Starts a copy of 16 aligned bytes to shared memory, around the first-level cache; without `real`, of 16 zeros, and `from` is not read.
__device__ inline void copy_async(Shared to, const void* from, bool real) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(__cvta_generic_to_global(from)), "r"(real ? 16 : 0)
               : "memory");
}
// Closes the group of copies that this thread has started since the last call; there may be none.
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until all but the newest kLeft groups of this thread have arrived. Other threads see them after a barrier.
template <int kLeft>
__device__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}
__device__ inline void store_shared(Shared to, uint4 x) {
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(x.x), "r"(x.y), "r"(x.z), "r"(x.w) : "memory");
}
__device__ inline void store_shared(Shared to, uint32_t x) { asm volatile("st.shared.b32 [%0], %1;" ::"r"(to), "r"(x) : "memory"); }
__device__ inline void store_shared(Shared to, float x) { asm volatile("st.shared.f32 [%0], %1;" ::"r"(to), "f"(x) : "memory"); }
__device__ inline uint4 load_shared_16(Shared from) {
  uint4 x;
  asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];" : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w) : "r"(from) : "memory");
  return x;
}
__device__ inline float2 load_shared_floats(Shared from) {
  float2 x;
  asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(x.x), "=f"(x.y) : "r"(from) : "memory");
  return x;
}
__device__ inline float load_shared_float(Shared from) {
  float x;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(x) : "r"(from) : "memory");
  return x;
}

// 1 / x to 1 unit in the last place; 0 where the result would be below 2^-126.
__device__ inline float reciprocal_fast(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
#else
using Shared = uintptr_t;
inline Shared shared_address(const void* p) { return reinterpret_cast<Shared>(p); }
inline void load_matrices(Shared row, uint32_t (&r)[4]) { emulated_ldmatrix(row, false, r); }
inline void load_transposed(Shared row, uint32_t (&r)[4]) { emulated_ldmatrix(row, true, r); }
template <class T>
void multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  emulated_mma(d, a, b0, b1, [](uint16_t bits) { return to_f32(std::bit_cast<T>(bits)); });
}
inline void copy_async(Shared to, const void* from, bool real) { emulated_copy_async(to, from, real); }
inline void commit_copies() { emulated_commit_copies(); }
template <int kLeft>
void wait_copies() {
  emulated_wait_copies(kLeft);
}
template <class X>
void store_shared(Shared to, X x) {
  std::memcpy(reinterpret_cast<void*>(to), &x, sizeof x);
}
template <class X>
X emulated_load_shared(Shared from) {
  X x;
  std::memcpy(&x, reinterpret_cast<const void*>(from), sizeof x);
  return x;
}
inline uint4 load_shared_16(Shared from) { return emulated_load_shared<uint4>(from); }
inline float2 load_shared_floats(Shared from) { return emulated_load_shared<float2>(from); }
inline float load_shared_float(Shared from) { return emulated_load_shared<float>(from); }
inline float reciprocal_fast(float x) { return 1 / x; }
#endif

// Absolute error below 3e-7, without the branches of tanhf.
__device__ inline float tanh_fast(float x) { return 1 - 2 * reciprocal_fast(1 + exp2_fast(x * 2.885390081777927f)); }
}  // namespace hd
