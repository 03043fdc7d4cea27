// What softmax and cross-entropy do with a row.
#pragma once
#include "views.h"

namespace hd::HD_TIER {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The largest element; NaN is passed over (it comes back through exp), -inf for an empty row.
template <class T>
float row_max(const T* x, int64_t n) {
  vf top = splat(-kInfinity);
  vectors(0, n, [&](int64_t i, auto mask) { top = max(mask.keep_or(get(x + i, mask), -kInfinity), top); });
  return max_lane(top);
}

// Sum of exp(x - shift).
template <class T>
float sum_exp(const T* x, int64_t n, float shift) {
  vf total{};
  vectors(0, n, [&](int64_t i, auto mask) { total += mask.keep(exp(get(x + i, mask) - shift)); });
  return sum(total);
}
}  // namespace hd::HD_TIER
