// What the ops of checkpoint arithmetic share: a base, or none, and a list of sources of any float dtypes, read as f64.
#pragma once
#include "check.h"
#include "cpu/kernels.h"
#include "wide.h"

namespace hd::HD_TIER {

typedef int64_t vl __attribute__((vector_size(kLanes * 4)));  // one for each number of half a `wide`

constexpr int64_t kMagnitude = 0x7fffffffffffffff;  // all bits of an f64 but the sign
constexpr int32_t kMostSources = 128;

// f(pointer to element `from`).
template <class F>
auto with_source(const hd_tensor& t, int64_t from, const F& f) {
  const char* data = reinterpret_cast<const char*>(t.data) + from * dtype_bytes(t.dtype);
  if (t.dtype == HD_F64) return f(reinterpret_cast<const double*>(data));
  if (t.dtype == HD_F32) return f(reinterpret_cast<const float*>(data));
  if (t.dtype == HD_BF16) return f(reinterpret_cast<const bf16*>(data));
  return f(reinterpret_cast<const f16*>(data));
}

template <class Mask>
wide get_source(const hd_tensor& t, int64_t i, Mask mask) {
  return with_source(t, i, [&](auto p) { return get_wide(p, mask); });
}

// Elements of a source, or their differences to the base.
template <class Mask>
wide get_difference(const hd_tensor* base, const hd_tensor& source, int64_t i, Mask mask) {
  const wide x = get_source(source, i, mask);
  return base == nullptr ? x : x - get_source(*base, i, mask);
}
inline double difference(const hd_tensor* base, const hd_tensor& source, int64_t i) {
  const auto at = [&](const hd_tensor& t) { return with_source(t, i, [](auto p) { return to_f64(*p); }); };
  return base == nullptr ? at(source) : at(source) - at(*base);
}

// The base (operand 0, may be absent) and `count` sources from operand `first` on: floats, contiguous, of n elements.
inline void check_sources(Check& check, const Call& call, int32_t first, int32_t count, int64_t n) {
  check.require(count >= 1 && count <= kMostSources, "there must be 1 to 128 sources");
  for (int32_t i = -1; i < count; i++) {
    const int32_t at = i < 0 ? 0 : first + i;
    if (!call.has(at)) continue;
    check.count(at, n, "the size of all").contiguous(at).require(call.t[at]->dtype <= HD_F64, "base and sources must be floats");
  }
}
}  // namespace hd::HD_TIER
