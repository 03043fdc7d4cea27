// Vectors of kLanes doubles, as two registers, for results that must be rounded once.
#pragma once
#include "views.h"

namespace hd::HD_TIER {

typedef double vd __attribute__((vector_size(kLanes * 4)));
typedef float half_f __attribute__((vector_size(kLanes * 2)));
typedef int32_t half_i __attribute__((vector_size(kLanes * 2)));

struct wide {
  vd lo, hi;
};
inline wide operator+(wide a, wide b) { return {a.lo + b.lo, a.hi + b.hi}; }
inline wide operator-(wide a, wide b) { return {a.lo - b.lo, a.hi - b.hi}; }
inline wide operator*(wide a, wide b) { return {a.lo * b.lo, a.hi * b.hi}; }
inline wide operator/(wide a, wide b) { return {a.lo / b.lo, a.hi / b.hi}; }
inline wide splat_wide(double x) { return {vd{} + x, vd{} + x}; }

inline wide widen(vf x) {
  half_f half[2];
  std::memcpy(half, &x, sizeof x);
  return {__builtin_convertvector(half[0], vd), __builtin_convertvector(half[1], vd)};
}
inline vf narrow(wide x) {
  const half_f half[2] = {__builtin_convertvector(x.lo, half_f), __builtin_convertvector(x.hi, half_f)};
  vf y;
  std::memcpy(&y, half, sizeof y);
  return y;
}
// Rounded to odd: a second rounding, to 16 bits, then gives what one rounding of x would (Boldo & Melquiond 2008).
inline vf narrow_odd(wide x) {
  const vf y = narrow(x);
  const wide back = widen(y);
  const auto size = [](vd v) { return v < 0 ? -v : v; };
  const half_i inexact[2] = {__builtin_convertvector(back.lo != x.lo, half_i), __builtin_convertvector(back.hi != x.hi, half_i)};
  const half_i beyond[2] = {__builtin_convertvector(size(back.lo) > size(x.lo), half_i), __builtin_convertvector(size(back.hi) > size(x.hi), half_i)};
  vi odd, back_one;
  std::memcpy(&odd, inexact, sizeof odd);
  std::memcpy(&back_one, beyond, sizeof back_one);
  return as_float((as_int(y) + back_one) | (odd & 1));
}
inline float narrow_odd(double x) {
  float y = static_cast<float>(x);
  const double back = y;
  if (back == x || x != x) return y;
  uint32_t bits;
  std::memcpy(&bits, &y, 4);
  if (__builtin_fabs(back) > __builtin_fabs(x)) bits--;
  bits |= 1;
  std::memcpy(&y, &bits, 4);
  return y;
}

inline double to_f64(double x) { return x; }
template <class T>
inline double to_f64(T x) {
  return static_cast<double>(to_f32(x));
}
template <class T>
inline T from_f64(double x) {
  if constexpr (sizeof(T) == 8) return x;
  if constexpr (sizeof(T) == 4) return static_cast<float>(x);
  if constexpr (sizeof(T) == 2) return from_f32<T>(narrow_odd(x));
}

template <class T, class Mask>
inline wide get_wide(const T* p, Mask mask) {
  return widen(get(p, mask));
}
inline wide get_wide(const double* p, Full) {
  wide x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
inline wide get_wide(const double* p, Part part) {
  double lane[kLanes] = {};
  for (int i = 0; i < part.n; i++) lane[i] = p[i];
  return get_wide(lane, Full{});
}
template <class Mask>
inline void put_wide(float* p, wide x, Mask mask) {
  put(p, narrow(x), mask);
}
template <class T, class Mask>
inline void put_wide(T* p, wide x, Mask mask) {
  put(p, narrow_odd(x), mask);
}
inline void put_wide(double* p, wide x, Full) { std::memcpy(p, &x, sizeof x); }
inline void put_wide(double* p, wide x, Part part) {
  double lane[kLanes];
  std::memcpy(lane, &x, sizeof x);
  for (int i = 0; i < part.n; i++) p[i] = lane[i];
}
inline double sum(wide x) {
  double lane[kLanes], total = 0;
  std::memcpy(lane, &x, sizeof x);
  for (int i = 0; i < kLanes; i++) total += lane[i];
  return total;
}
}  // namespace hd::HD_TIER
