// Hopper's own instructions (PTX ISA 8.0 and later, target sm_90a), one thin function each: memory barriers in shared memory, the bulk
// tensor copy (TMA), the asynchronous warpgroup product (wgmma) and the moving of registers between warpgroups.
#pragma once
#include <cuda.h>

#include <cstdint>

#include "mma.h"
#ifdef HD_EMULATE
#include "emulated_hopper.h"
#endif

namespace hd::hopper {

// ---- operands of warpgroup products ----
// Operands in shared memory lie in columns of 64 elements (128 bytes), rows below each other, with the 128-byte swizzle of the copy engine.
// Row-major operand [rows, 64 k]: `rows` is M or N, the inner dimension is the product's k. 8 rows take 1024 bytes.
__device__ inline uint64_t rows_operand(const void* p) {
  return (uint64_t{1} << 62) | (uint64_t{1024 >> 4} << 32) | (uint64_t{1} << 16) | (shared_address(p) & 0x3ffff) >> 4;
}
// The same memory as [k, 64 n]: rows are the product's k, the inner dimension is N. column_bytes: from one 64-column to the next.
__device__ inline uint64_t columns_operand(const void* p, uint32_t column_bytes) {
  return (uint64_t{1} << 62) | (uint64_t{1024 >> 4} << 32) | (static_cast<uint64_t>(column_bytes >> 4) << 16) |
         (shared_address(p) & 0x3ffff) >> 4;
}
constexpr uint64_t bytes(uint32_t n) { return n >> 4; }  // added to an operand, moves its start

// Where a lane finds its 16 bytes of a 16 x 16 part of a tile [64, 64] in the copy engine's swizzle (unit u of row r lies at u ^ r % 8):
// rows from `row`, columns from 16 k.
__device__ inline Shared operand_address(const char* tile, int row, int k) {
  const int lane = static_cast<int>(threadIdx.x) % 32, r = row + lane % 16;
  return (shared_address(tile) + static_cast<uint32_t>(r * 128 + (lane / 16 ^ r % 8) * 16)) ^ static_cast<uint32_t>(32 * k);
}

#ifndef HD_EMULATE
// ---- barriers in shared memory; `parity` is that of the phase that is waited for ----
__device__ inline void barrier_init(uint64_t* barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals));
}
// Makes the initialised barriers visible to the copy engine; once, before the block's first __syncthreads.
__device__ inline void barrier_fence() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
__device__ inline void arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
// Arrives, and makes the phase wait for `bytes` from the copy engine too.
__device__ inline void arrive_expecting(uint64_t* barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes) : "memory");
}
__device__ inline void wait(uint64_t* barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}\n" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}

// ---- the copy engine ----
// A box of a tensor of rank 4 to shared memory; what lies outside the tensor arrives as zeros. Coordinates: innermost first.
__device__ inline void copy_box(void* to, const CUtensorMap* map, uint64_t* barrier, int32_t column, int32_t row, int32_t head,
                                int32_t batch) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(
                   shared_address(to)),
               "l"(map), "r"(shared_address(barrier)), "r"(column), "r"(row), "r"(head), "r"(batch)
               : "memory");
}
// A box from shared memory to a tensor; what lies outside the tensor is not written. Stores are counted in groups by the thread that asks.
__device__ inline void store_box(const void* from, const CUtensorMap* map, int32_t column, int32_t row, int32_t head, int32_t batch) {
  asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], [%1];" ::"l"(map), "r"(shared_address(from)),
               "r"(column), "r"(row), "r"(head), "r"(batch)
               : "memory");
}
// Adds n floats' bytes from shared memory to floats in device memory, each by itself and in no order among them; counted with the stores.
// A multiple of 16 bytes, both sides aligned to 16.
__device__ inline void add_floats(float* to, const void* from, uint32_t n) {
  asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], %2;" ::"l"(to), "r"(shared_address(from)), "r"(n)
               : "memory");
}
__device__ inline void stores_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
__device__ inline void stores_read() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }  // shared memory may be overwritten
__device__ inline void stores_done() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }       // and what was stored is in memory
// Between writes of threads to shared memory and a store_box of it, or a product that reads it.
__device__ inline void stores_fence() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
// A multiple of 16 bytes, both sides aligned to 16.
__device__ inline void copy_bytes(void* to, const void* from, uint32_t n, uint64_t* barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(shared_address(to)),
               "l"(from), "r"(n), "r"(shared_address(barrier))
               : "memory");
}

// ---- registers: the producer gives some away, the consumers take them ----
template <int N>
__device__ void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
}
template <int N>
__device__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
}

// ---- named barriers among warpgroups ----
__device__ inline void meet(int32_t name, int32_t threads) { asm volatile("bar.sync %0, %1;" ::"r"(name), "r"(threads) : "memory"); }
__device__ inline void signal(int32_t name, int32_t threads) { asm volatile("bar.arrive %0, %1;" ::"r"(name), "r"(threads) : "memory"); }

// ---- counters in device memory, by which blocks wait for each other ----
__device__ inline uint32_t load_acquire(const uint32_t* from) {
  uint32_t x;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(x) : "l"(from) : "memory");
  return x;
}
__device__ inline void add_release(uint32_t* to, uint32_t x) {
  asm volatile("red.release.gpu.global.add.u32 [%0], %1;" ::"l"(to), "r"(x) : "memory");
}
// Adds to four floats, aligned to 16 bytes, each by itself.
__device__ inline void add_four(float* to, float4 x) {
  asm volatile("red.relaxed.gpu.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(to), "f"(x.x), "f"(x.y), "f"(x.z), "f"(x.w) : "memory");
}

// ---- warpgroup products ----
__device__ inline void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Until at most N groups of this warp are unfinished.
template <int N>
__device__ void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}
// Tells the compiler that an asynchronous product may have written these registers.
template <int N>
__device__ void touch(float (&x)[N]) {
#pragma unroll
  for (int i = 0; i < N; i++) asm volatile("" : "+f"(x[i])::"memory");
}

#define HD_REGISTERS_32                                                     \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define HD_REGISTERS_64                                                              \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "          \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}"
#define HD_REGISTERS_128                                                                         \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                      \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "             \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "             \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "             \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "             \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "             \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}"
#define HD_F4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define HD_F16(d, i) HD_F4(d, i), HD_F4(d, i + 4), HD_F4(d, i + 8), HD_F4(d, i + 12)
#define HD_FLOATS_32(d) HD_F16(d, 0), HD_F16(d, 16)
#define HD_FLOATS_64(d) HD_F16(d, 0), HD_F16(d, 16), HD_F16(d, 32), HD_F16(d, 48)
#define HD_FLOATS_128(d) \
  HD_F16(d, 0), HD_F16(d, 16), HD_F16(d, 32), HD_F16(d, 48), HD_F16(d, 64), HD_F16(d, 80), HD_F16(d, 96), HD_F16(d, 112)

// d [64, N] (+)= a [64, 16] b [N, 16]^T, both row-major operands in shared memory.
#define HD_PRODUCT_SHARED(N, R, TYPE, T, A, B, S)                                                                            \
  __device__ inline void product(float(&d)[R], uint64_t a, uint64_t b, bool add, T) {                                        \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " S ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N "k16.f32." TYPE "." TYPE \
                 " " HD_REGISTERS_##R ", " A ", " B ", p, 1, 1, 0, 0;\n}\n"                                                  \
                 : HD_FLOATS_##R(d)                                                                                          \
                 : "l"(a), "l"(b), "r"(static_cast<int32_t>(add)));                                                          \
  }
// d [64, N] (+)= a [16, 64]^T b [16, N], both columns operands.
#define HD_PRODUCT_COLUMNS(N, R, TYPE, T, A, B, S)                                                                           \
  __device__ inline void product_columns(float(&d)[R], uint64_t a, uint64_t b, bool add, T) {                                \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " S ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N "k16.f32." TYPE "." TYPE \
                 " " HD_REGISTERS_##R ", " A ", " B ", p, 1, 1, 1, 1;\n}\n"                                                  \
                 : HD_FLOATS_##R(d)                                                                                          \
                 : "l"(a), "l"(b), "r"(static_cast<int32_t>(add)));                                                          \
  }
// The first with a in registers, and d [64, N] (+)= a [64, 16] b [16, N] with b a columns operand.
#define HD_PRODUCT_REGISTERS(NAME, N, R, TYPE, T, A0, A1, A2, A3, B, S, COLUMNS)                                             \
  __device__ inline void NAME(float(&d)[R], const uint32_t* a, uint64_t b, bool add, T) {                                    \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " S ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N "k16.f32." TYPE "." TYPE \
                 " " HD_REGISTERS_##R ", {" A0 ", " A1 ", " A2 ", " A3 "}, " B ", p, 1, 1, " COLUMNS ";\n}\n"                \
                 : HD_FLOATS_##R(d)                                                                                          \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int32_t>(add)));                      \
  }

HD_PRODUCT_SHARED(64, 32, "bf16", bf16, "%32", "%33", "%34")
HD_PRODUCT_SHARED(128, 64, "bf16", bf16, "%64", "%65", "%66")
HD_PRODUCT_COLUMNS(64, 32, "bf16", bf16, "%32", "%33", "%34")
HD_PRODUCT_REGISTERS(product_columns, 64, 32, "bf16", bf16, "%32", "%33", "%34", "%35", "%36", "%37", "1")
HD_PRODUCT_REGISTERS(product_rows, 64, 32, "bf16", bf16, "%32", "%33", "%34", "%35", "%36", "%37", "0")
HD_PRODUCT_REGISTERS(product_columns, 128, 64, "bf16", bf16, "%64", "%65", "%66", "%67", "%68", "%69", "1")
HD_PRODUCT_REGISTERS(product_rows, 128, 64, "bf16", bf16, "%64", "%65", "%66", "%67", "%68", "%69", "0")
HD_PRODUCT_REGISTERS(product_columns, 256, 128, "bf16", bf16, "%128", "%129", "%130", "%131", "%132", "%133", "1")
HD_PRODUCT_SHARED(64, 32, "f16", f16, "%32", "%33", "%34")
HD_PRODUCT_SHARED(128, 64, "f16", f16, "%64", "%65", "%66")
HD_PRODUCT_COLUMNS(64, 32, "f16", f16, "%32", "%33", "%34")
HD_PRODUCT_REGISTERS(product_columns, 64, 32, "f16", f16, "%32", "%33", "%34", "%35", "%36", "%37", "1")
HD_PRODUCT_REGISTERS(product_rows, 64, 32, "f16", f16, "%32", "%33", "%34", "%35", "%36", "%37", "0")
HD_PRODUCT_REGISTERS(product_columns, 128, 64, "f16", f16, "%64", "%65", "%66", "%67", "%68", "%69", "1")
HD_PRODUCT_REGISTERS(product_rows, 128, 64, "f16", f16, "%64", "%65", "%66", "%67", "%68", "%69", "0")
HD_PRODUCT_REGISTERS(product_columns, 256, 128, "f16", f16, "%128", "%129", "%130", "%131", "%132", "%133", "1")

#undef HD_PRODUCT_SHARED
#undef HD_PRODUCT_COLUMNS
#undef HD_PRODUCT_REGISTERS
#undef HD_FLOATS_32
#undef HD_FLOATS_64
#undef HD_FLOATS_128
#undef HD_F16
#undef HD_F4
#undef HD_REGISTERS_32
#undef HD_REGISTERS_64
#undef HD_REGISTERS_128

// That part as the left operand of a product.
__device__ inline void load_operand(uint32_t* a, const char* tile, int row, int k) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
               : "r"(operand_address(tile, row, k))
               : "memory");
}

// The reverse.
__device__ inline void store_operand(const uint32_t (&a)[4], char* tile, int row, int k) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(operand_address(tile, row, k)), "r"(a[0]),
               "r"(a[1]), "r"(a[2]), "r"(a[3])
               : "memory");
}
#else
// cuda-kernels/emulate has the same by the manual.
inline void barrier_init(uint64_t* barrier, uint32_t arrivals) { emulated_barrier_init(barrier, arrivals); }
inline void barrier_fence() { emulated_barrier_fence(); }
inline void arrive(uint64_t* barrier) { emulated_arrive(barrier, 0); }
inline void arrive_expecting(uint64_t* barrier, uint32_t bytes) { emulated_arrive(barrier, bytes); }
inline void wait(uint64_t* barrier, uint32_t parity) { emulated_barrier_wait(barrier, parity); }
inline void copy_box(void* to, const CUtensorMap* map, uint64_t* barrier, int32_t column, int32_t row, int32_t head, int32_t batch) {
  emulated_copy_box(to, map, barrier, {column, row, head, batch});
}
inline void store_box(const void* from, const CUtensorMap* map, int32_t column, int32_t row, int32_t head, int32_t batch) {
  emulated_store_box(from, map, {column, row, head, batch});
}
inline void add_floats(float* to, const void* from, uint32_t n) { emulated_add_floats(to, from, n); }
inline void stores_commit() { emulated_stores_commit(); }
inline void stores_read() { emulated_stores_wait(0, false); }
inline void stores_done() { emulated_stores_wait(0, true); }
inline void stores_fence() { emulated_stores_fence(); }
inline void copy_bytes(void* to, const void* from, uint32_t n, uint64_t* barrier) { emulated_copy_bytes(to, from, n, barrier); }
template <int N>
void give_registers() {
  emulated_set_registers(N, false);
}
template <int N>
void take_registers() {
  emulated_set_registers(N, true);
}
inline void meet(int32_t name, int32_t threads) { emulated_meet(name, threads, true); }
inline void signal(int32_t name, int32_t threads) { emulated_meet(name, threads, false); }
inline uint32_t load_acquire(const uint32_t* from) { return emulated_load_acquire(from); }
inline void add_release(uint32_t* to, uint32_t x) { *to += x; }
inline void add_four(float* to, float4 x) { emulated_add_four(to, x); }
inline void products_begin() { emulated_products_begin(); }
inline void products_commit() { emulated_products_commit(); }
template <int N>
void products_wait() {
  emulated_products_wait(N);
}
template <int N>
void touch(float (&)[N]) {}
template <int R, class T>
void product(float (&d)[R], uint64_t a, uint64_t b, bool add, T) {
  emulated_product({d, 2 * R, nullptr, a, b, false, false, add, std::is_same_v<T, f16>, {}});
}
template <int R, class T>
void product_columns(float (&d)[R], uint64_t a, uint64_t b, bool add, T) {
  emulated_product({d, 2 * R, nullptr, a, b, true, true, add, std::is_same_v<T, f16>, {}});
}
template <int R, class T>
void product_columns(float (&d)[R], const uint32_t* a, uint64_t b, bool add, T) {
  emulated_product({d, 2 * R, a, 0, b, false, true, add, std::is_same_v<T, f16>, {}});
}
template <int R, class T>
void product_rows(float (&d)[R], const uint32_t* a, uint64_t b, bool add, T) {
  emulated_product({d, 2 * R, a, 0, b, false, false, add, std::is_same_v<T, f16>, {}});
}
inline void load_operand(uint32_t* a, const char* tile, int row, int k) {
  uint32_t r[4];
  emulated_ldmatrix(operand_address(tile, row, k), false, r);
  std::copy(r, r + 4, a);
}
inline void store_operand(const uint32_t (&a)[4], char* tile, int row, int k) { emulated_stmatrix(operand_address(tile, row, k), a); }
#endif
}  // namespace hd::hopper
