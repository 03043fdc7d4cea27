// Hopper's instructions (src/hopper/instructions.h) on fibers. Layouts are those of the PTX ISA (mbarrier; cp.async.bulk and tensor maps
// with their swizzles; wgmma's matrix descriptors, fragments of m64nNk16) and not taken from the kernels. Stricter than a GPU wherever that
// is cheap:
//   copies to shared memory  what they will overwrite is NaN at once; they read and write when a thread waits and none can go on
//   products                 read tiles and registers at the wait, as late as that; their accumulators hold NaN until then, and must still
//                            hold it (as their left operands must be unchanged), or the run ends
//   stores                   shared memory must be the same when they are asked for and at the wait for reading; they reach memory at the
//                            wait for writing or the kernel's end
//   proxies                  tiles written by store_operand end the run if the copy engine or a product reads them without a fence
#pragma once
#include <vector_types.h>

#include <cstdint>

struct CUtensorMap_st;

// ---- barriers ----
void emulated_barrier_init(uint64_t* barrier, uint32_t arrivals);
void emulated_barrier_fence();
void emulated_arrive(uint64_t* barrier, uint32_t bytes);
void emulated_barrier_wait(uint64_t* barrier, uint32_t parity);
void emulated_meet(int32_t name, int32_t threads, bool stay);

// ---- the copy engine; coordinates innermost first ----
void emulated_copy_box(void* to, const CUtensorMap_st* map, uint64_t* barrier, const int32_t (&at)[4]);
void emulated_copy_bytes(void* to, const void* from, uint32_t n, uint64_t* barrier);
void emulated_store_box(const void* from, const CUtensorMap_st* map, const int32_t (&at)[4]);
void emulated_add_floats(float* to, const void* from, uint32_t n);
void emulated_stores_commit();
void emulated_stores_wait(int left, bool written);
void emulated_stores_fence();

// ---- registers ----
void emulated_set_registers(int count, bool more);

// ---- products: d [64, n] (+)= a [64, 16] b ----
struct EmulatedProduct {
  float* d;
  int n;
  const uint32_t* a;  // the four registers, or null: a_operand
  uint64_t a_operand, b_operand;
  bool a_columns;      // a_operand is [16, 64], not [64, 16]
  bool columns;        // b is [16, n], not [n, 16]
  bool add, half;      // half: f16, not bf16
  uint32_t a_then[4];  // a when it was asked for
};
void emulated_product(EmulatedProduct product);
void emulated_products_begin();
void emulated_products_commit();
void emulated_products_wait(int left);

// ---- memory of the device ----
uint32_t emulated_load_acquire(const uint32_t* from);
void emulated_add_four(float* to, float4 x);

// ---- stmatrix ----
void emulated_stmatrix(uintptr_t row, const uint32_t (&r)[4]);

// Products that warps have finished since the library was loaded: tells a test that Hopper's kernels ran.
extern "C" __attribute__((visibility("default"))) int64_t emulated_product_count();
