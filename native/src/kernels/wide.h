// Vectors of kLanes doubles, as two registers, for results that must be rounded once.
#pragma once
#include "views.h"

namespace hd::HD_TIER {

typedef double vd __attribute__((vector_size(kLanes * 4)));
typedef float half_f __attribute__((vector_size(kLanes * 2)));

struct wide {
  vd lo, hi;
};
inline wide operator+(wide a, wide b) { return {a.lo + b.lo, a.hi + b.hi}; }
inline wide operator-(wide a, wide b) { return {a.lo - b.lo, a.hi - b.hi}; }
inline wide operator*(wide a, wide b) { return {a.lo * b.lo, a.hi * b.hi}; }
inline wide operator/(wide a, wide b) { return {a.lo / b.lo, a.hi / b.hi}; }
inline wide splat_wide(double x) { return {vd{} + x, vd{} + x}; }

// By intrinsics: g++ 12 takes __builtin_convertvector between these sizes apart into scalars.
inline wide widen(vf x) {
#if defined(__AVX512F__)
  const __m512 v = (__m512)x;
  return {(vd)_mm512_cvtps_pd(_mm512_castps512_ps256(v)), (vd)_mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))};
#elif defined(__AVX2__)
  const __m256 v = (__m256)x;
  return {(vd)_mm256_cvtps_pd(_mm256_castps256_ps128(v)), (vd)_mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
#else
  half_f half[2];  // not vd{x[2], x[3]}: g++ 12 -O3 takes the wrong lanes
  std::memcpy(half, &x, sizeof x);
  return {__builtin_convertvector(half[0], vd), __builtin_convertvector(half[1], vd)};
#endif
}
inline vf narrow(wide x) {
#if defined(__AVX512F__)
  const __m512 lo = _mm512_castps256_ps512(_mm512_cvtpd_ps((__m512d)x.lo));
  return (vf)_mm512_insertf32x8(lo, _mm512_cvtpd_ps((__m512d)x.hi), 1);
#elif defined(__AVX2__)
  return (vf)_mm256_set_m128(_mm256_cvtpd_ps((__m256d)x.hi), _mm256_cvtpd_ps((__m256d)x.lo));
#else
  const half_f half[] = {__builtin_convertvector(x.lo, half_f), __builtin_convertvector(x.hi, half_f)};
  vf y;
  std::memcpy(&y, half, sizeof y);
  return y;
#endif
}
// Rounded to odd: a second rounding, to 16 bits, then gives what one rounding of x would (Boldo & Melquiond 2008).
inline vf narrow_odd(wide x) {
  const vf y = narrow(x);
  // How far y is beyond x; large, so that what matters to 16 bits does not vanish in f32. Not a number if x is not finite.
  const vf error = narrow((widen(y) - x) * splat_wide(0x1p100));
  const vi inexact = (error > 0.0f) | (error < 0.0f);
  const vi beyond = inexact & ((as_int(error) ^ as_int(y)) >= 0);
  return as_float((as_int(y) + beyond) | (inexact & 1));
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
  wide x;  // each half by itself: a copy of the whole struct would go through the stack
  std::memcpy(&x.lo, p, sizeof x.lo);
  std::memcpy(&x.hi, p + kLanes / 2, sizeof x.hi);
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
#if defined(__AVX512F__)
constexpr int kRare = 0x01 | 0x80 | 0x08 | 0x10 | 0x20;  // NaN, quiet or not, infinities, denormals
constexpr int16_t kLargestBf16 = 0x7f7f;

// x with its 8 leading bits rounded to nearest even, and bits below them that mean nothing: f32 is cut off there, not rounded, so that they
// do not carry. What is too large for f32 becomes its largest number. NaN stays NaN if its payload has no more than 8 bits.
inline __m256 narrow_to_8(vd x) {
  constexpr int dropped = 45;
  const __m512i v = _mm512_castpd_si512((__m512d)x), half = _mm512_set1_epi64(int64_t{1} << (dropped - 1));
  const __mmask8 odd = _mm512_test_epi64_mask(v, _mm512_set1_epi64(int64_t{1} << dropped));
  const __m512i up = _mm512_add_epi64(v, _mm512_set1_epi64((int64_t{1} << (dropped - 1)) - 1));
  const __m512i rounded = _mm512_mask_add_epi64(up, odd, v, half);
  return _mm512_cvt_roundpd_ps(_mm512_castsi512_pd(rounded), _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}
// x cut off to f32, whose last bit is set where bits were lost: rounded to odd, except for numbers that are denormal in f32.
inline __m256 narrow_sticky(vd x) {
  const __m512i v = _mm512_castpd_si512((__m512d)x);
  const __mmask8 lost = _mm512_test_epi64_mask(v, _mm512_set1_epi64((int64_t{1} << 29) - 1));
  const __m512i odd = _mm512_mask_or_epi64(v, lost, v, _mm512_set1_epi64(int64_t{1} << 29));
  return _mm512_cvt_roundpd_ps(_mm512_castsi512_pd(odd), _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}
// Half the work of narrow_odd and a second rounding; those do what is denormal, not finite or may overflow.
inline void put_wide(bf16* p, wide x, Full) {
  const __m256 lo = narrow_to_8(x.lo), hi = narrow_to_8(x.hi);
  const __m512i upper =
      _mm512_set_epi16(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 47, 45, 43, 41, 39, 37, 35, 33, 15, 13, 11, 9, 7, 5, 3, 1);
  const __m256i both = _mm512_castsi512_si256(
      _mm512_permutex2var_epi16(_mm512_castps_si512(_mm512_castps256_ps512(lo)), upper, _mm512_castps_si512(_mm512_castps256_ps512(hi))));
  const __m256i size = _mm256_and_si256(both, _mm256_set1_epi16(0x7fff));
  if ((_mm256_fpclass_ps_mask(lo, kRare) | _mm256_fpclass_ps_mask(hi, kRare)) != 0 ||
      _mm256_cmpeq_epi16_mask(size, _mm256_set1_epi16(kLargestBf16)) != 0) {
    return put(p, narrow_odd(x), Full{});
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), both);
}
// The least number of f16 is far above what is denormal in f32: one rounding more, by the processor, gives all of f16's.
inline void put_wide(f16* p, wide x, Full) {
  store(p, (vf)_mm512_insertf32x8(_mm512_castps256_ps512(narrow_sticky(x.lo)), narrow_sticky(x.hi), 1));
}
#endif
inline void put_wide(double* p, wide x, Full) {
  std::memcpy(p, &x.lo, sizeof x.lo);
  std::memcpy(p + kLanes / 2, &x.hi, sizeof x.hi);
}
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
