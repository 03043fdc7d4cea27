// What the kernels of checkpoint arithmetic share: a base, or none, and a list of sources of any float dtypes, read as f64.
#pragma once
#include "check.h"
#include "device.h"

namespace hd {

constexpr int32_t kMostSources = 128;  // their addresses travel as arguments

struct Sources {
  const void* data[kMostSources];
  uint8_t dtype[kMostSources];
  const void* base;
  int32_t base_dtype, count;
  int64_t n;
  bool dense;  // all of one dtype, and every address allows 16-byte accesses

  __device__ bool based() const { return base != nullptr; }
};

// The base (operand 0, may be absent) and `count` sources from operand `first` on: floats, contiguous, of n elements.
inline void check_sources(Check& check, const Call& call, int32_t first, int32_t count, int64_t n) {
  check.require(count >= 1 && count <= kMostSources, "there must be 1 to 128 sources");
  for (int32_t i = -1; i < count; i++) {
    const int32_t at = i < 0 ? 0 : first + i;
    if (!call.has(at)) continue;
    check.count(at, n, "the size of all").contiguous(at).require(call.t[at]->dtype <= HD_F64, "base and sources must be floats");
  }
}

inline Sources sources_of(const Call& call, int32_t first, int32_t count, int64_t n) {
  Sources s{};
  s.base = call.data<const void>(0);
  s.base_dtype = call.has(0) ? call.t[0]->dtype : call.t[first]->dtype;
  s.count = count;
  s.n = n;
  s.dense = s.base == nullptr || aligned(s.base);
  for (int32_t i = 0; i < count; i++) {
    s.data[i] = call.data<const void>(first + i);
    s.dtype[i] = static_cast<uint8_t>(call.t[first + i]->dtype);
    s.dense = s.dense && s.dtype[i] == s.base_dtype && aligned(s.data[i]);
  }
  return s;
}

__device__ inline double load_double(const void* p, int32_t dtype, int64_t i) {
  return dtype == HD_F64 ? static_cast<const double*>(p)[i] : to_f64(load_float(p, dtype, i));
}
__device__ inline double load_difference(const Sources& s, int32_t k, int64_t i) {
  const double x = load_double(s.data[k], s.dtype[k], i);
  return s.based() ? __dadd_rn(x, -load_double(s.base, s.base_dtype, i)) : x;
}
__device__ inline void store_double(void* p, int32_t dtype, int64_t i, double x) {
  if (dtype == HD_F64) {
    static_cast<double*>(p)[i] = x;
  } else if (dtype == HD_F32) {
    put(static_cast<float*>(p)[i], x);
  } else if (dtype == HD_BF16) {
    put(static_cast<bf16*>(p)[i], x);
  } else {
    put(static_cast<f16*>(p)[i], x);
  }
}

// ---- packs of 16 bytes whose dtype, the same for all threads, is known at run time ----
constexpr int kMostWide = 8;  // numbers of the widest pack

__host__ __device__ constexpr int pack_width(int32_t dtype) { return dtype == HD_F64 ? 2 : dtype == HD_F32 ? 4 : 8; }
__device__ inline uint4 load_raw(const void* p, int64_t pack) { return static_cast<const uint4*>(p)[pack]; }

// Numbers beyond the pack's width stay as they are.
__device__ inline void widen(const uint4& raw, int32_t dtype, double (&x)[kMostWide]) {
  const uint32_t word[4] = {raw.x, raw.y, raw.z, raw.w};
  if (dtype == HD_F64) {
    memcpy(x, word, 16);
  } else if (dtype == HD_F32) {
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] = to_f64(__uint_as_float(word[i]));
  } else if (dtype == HD_BF16) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      x[2 * i] = to_f64(__uint_as_float(word[i] << 16));
      x[2 * i + 1] = to_f64(__uint_as_float(word[i] & 0xffff0000u));
    }
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      x[2 * i] = to_f64(__ushort_as_half(static_cast<unsigned short>(word[i])));
      x[2 * i + 1] = to_f64(__ushort_as_half(static_cast<unsigned short>(word[i] >> 16)));
    }
  }
}
}  // namespace hd
