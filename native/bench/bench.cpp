// What benchmarks are judged by, and nothing of the product: the rates that this machine reaches in registers and in memory, and empty
// functions that show what a call costs. A library of its own, libheddle_bench.so.
#include <omp.h>

#include <chrono>
#include <cstdint>
#include <cstring>

#include "heddle/heddle.h"

namespace {

// n rounds of 16 independent chains of one instruction, whose factors are the 32 bits of `one` in every lane.
#define HD_SPIN(op, n, one)                                                                                                                \
  asm volatile("vpbroadcastd %1, %%zmm30\n vmovdqa64 %%zmm30, %%zmm31\n 1:\n" HD_CHAIN(op) "dec %0\n jnz 1b\n"                             \
               : "+r"(n)                                                                                                                   \
               : "r"(one)                                                                                                                  \
               : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", \
                 "xmm14", "xmm15")
#define HD_CHAIN(op)                                                                                                               \
  op " %%zmm30,%%zmm31,%%zmm0\n" op " %%zmm30,%%zmm31,%%zmm1\n" op " %%zmm30,%%zmm31,%%zmm2\n" op " %%zmm30,%%zmm31,%%zmm3\n" op   \
     " %%zmm30,%%zmm31,%%zmm4\n" op " %%zmm30,%%zmm31,%%zmm5\n" op " %%zmm30,%%zmm31,%%zmm6\n" op " %%zmm30,%%zmm31,%%zmm7\n" op   \
     " %%zmm30,%%zmm31,%%zmm8\n" op " %%zmm30,%%zmm31,%%zmm9\n" op " %%zmm30,%%zmm31,%%zmm10\n" op " %%zmm30,%%zmm31,%%zmm11\n" op \
     " %%zmm30,%%zmm31,%%zmm12\n" op " %%zmm30,%%zmm31,%%zmm13\n" op " %%zmm30,%%zmm31,%%zmm14\n" op " %%zmm30,%%zmm31,%%zmm15\n"

__attribute__((target("avx512f"))) void spin_avx512(int64_t n) { HD_SPIN("vfmadd231ps", n, 0x3f800000); }
__attribute__((target("avx512f,avx512bf16"))) void spin_bf16(int64_t n) { HD_SPIN("vdpbf16ps", n, 0x3f803f80); }
__attribute__((target("avx2,fma"))) void spin_avx2(int64_t n) {
  typedef float v8 __attribute__((vector_size(32)));
  v8 a0 = {}, a1 = {}, a2 = {}, a3 = {}, a4 = {}, a5 = {}, a6 = {}, a7 = {}, a8 = {}, a9 = {};
  const v8 m = {1, 1, 1, 1, 1, 1, 1, 1};
  for (int64_t i = 0; i < n; i++) {
    asm volatile(
        "vfmadd231ps %10,%10,%0\nvfmadd231ps %10,%10,%1\nvfmadd231ps %10,%10,%2\nvfmadd231ps %10,%10,%3\nvfmadd231ps %10,%10,%4\n"
        "vfmadd231ps %10,%10,%5\nvfmadd231ps %10,%10,%6\nvfmadd231ps %10,%10,%7\nvfmadd231ps %10,%10,%8\nvfmadd231ps %10,%10,%9\n"
        : "+x"(a0), "+x"(a1), "+x"(a2), "+x"(a3), "+x"(a4), "+x"(a5), "+x"(a6), "+x"(a7), "+x"(a8), "+x"(a9)
        : "x"(m));
  }
}

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
}  // namespace

extern "C" {

// GFLOP/s of multiply-adds in registers on `threads` threads: kind 0 f32, 1 bf16 pairs; 0 where the CPU has no such instruction.
__attribute__((visibility("default"))) double hd_bench_flops(int32_t kind, int32_t threads, int64_t rounds) {
  void (*spin)(int64_t) = nullptr;
  double each = 0;
  if (kind == 1) {
    if (__builtin_cpu_supports("avx512bf16")) spin = spin_bf16, each = 16 * 64;
  } else if (__builtin_cpu_supports("avx512f")) {
    spin = spin_avx512, each = 16 * 32;
  } else if (__builtin_cpu_supports("avx2")) {
    spin = spin_avx2, each = 10 * 16;
  }
  if (spin == nullptr) return 0;
  const double start = seconds();
#pragma omp parallel num_threads(threads)
  spin(rounds);
  return static_cast<double>(rounds) * threads * each / (seconds() - start) * 1e-9;
}

// GB/s of copying, bytes read plus bytes written, each thread a part of its own.
__attribute__((visibility("default"))) double hd_bench_copy(void* to, const void* from, int64_t bytes, int32_t threads) {
  const double start = seconds();
#pragma omp parallel num_threads(threads)
  {
    const int64_t part = bytes / omp_get_num_threads(), at = part * omp_get_thread_num();
    std::memcpy(static_cast<char*>(to) + at, static_cast<const char*>(from) + at, static_cast<size_t>(part));
  }
  return 2 * static_cast<double>(bytes) / (seconds() - start) * 1e-9;
}

// The door as a C++ caller uses it: `calls` copies of one number, by the function hd_run of the library that is loaded.
__attribute__((visibility("default"))) int64_t hd_bench_door(hd_address run, hd_address context, int32_t copy, int64_t calls) {
  float from = 1, to = 0;
  const auto tensor = [](float& x) { return hd_tensor{reinterpret_cast<hd_address>(&x), {1}, {1}, HD_F32, 1, -1, 0}; };
  const hd_tensor x = tensor(from), y = tensor(to);
  const hd_tensor* const tensors[] = {&x, &y};
  const int64_t none = 0;
  int64_t failed = 0;
  for (int64_t i = 0; i < calls; i++) {
    failed += reinterpret_cast<decltype(&hd_run)>(run)(context, copy, reinterpret_cast<hd_address>(tensors), 2,
                                                       reinterpret_cast<hd_address>(&none), sizeof none);
  }
  return failed;
}

// What any call costs: through foreign memory, and through JNI.
__attribute__((visibility("default"))) int64_t hd_bench_empty(int64_t x) { return x; }
__attribute__((visibility("default"))) int64_t Java_io_heddle_bench_EmptyCall_jni(void*, void*, int64_t x) { return x; }
}
