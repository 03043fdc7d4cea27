// The verbs the CPU kernels are written in. One source is compiled once per tier (HD_TIER names the namespace), and this header gives
// each tier its vector of kLanes floats: AVX-512 16, AVX2 8, otherwise 4 lanes of GCC's generic vectors. Arithmetic uses the
// operators of the vector type; here are only the verbs that operators lack. 16-bit types live in memory only: they are widened on load
// and rounded to nearest even on store.
#pragma once
#include <cstdint>
#include <cstring>
#include <limits>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace hd::HD_TIER {

struct bf16 {
  uint16_t bits;
};
struct f16 {
  uint16_t bits;
};

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float vf __attribute__((vector_size(kLanes * 4)));
typedef int32_t vi __attribute__((vector_size(kLanes * 4)));
typedef uint32_t vu __attribute__((vector_size(kLanes * 4)));

// ---- scalars ----
inline float to_f32(float x) { return x; }
inline float to_f32(double x) { return static_cast<float>(x); }
inline float to_f32(bf16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float y;
  std::memcpy(&y, &bits, 4);
  return y;
}
inline float to_f32(uint8_t x) { return x; }
inline float to_f32(f16 x) {
#if defined(__AVX2__)
  return _cvtsh_ss(x.bits);
#else
  _Float16 h;
  std::memcpy(&h, &x.bits, 2);
  return static_cast<float>(h);
#endif
}
template <class T>
inline T from_f32(float x);
template <>
inline float from_f32<float>(float x) {
  return x;
}
template <>
inline double from_f32<double>(float x) {
  return x;
}
template <>
inline bf16 from_f32<bf16>(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((bits >> 16) | 0x40)};  // NaN stays NaN, quiet
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}
template <>
inline f16 from_f32<f16>(float x) {
#if defined(__AVX2__)
  return {static_cast<uint16_t>(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT))};
#else
  const _Float16 h = static_cast<_Float16>(x);
  f16 y;
  std::memcpy(&y.bits, &h, 2);
  return y;
#endif
}

// ---- registers ----
inline vf splat(float x) {  // not vf{} + x: the sum must be computed, as -0 + 0 is 0
#if defined(__AVX512F__)
  return (vf)_mm512_set1_ps(x);
#elif defined(__AVX2__)
  return (vf)_mm256_set1_ps(x);
#else
  return vf{x, x, x, x};
#endif
}
inline vi splat_i(int32_t x) { return vi{} + x; }
inline vi as_int(vf x) {
  vi y;
  std::memcpy(&y, &x, sizeof y);
  return y;
}
inline vf as_float(vi x) {
  vf y;
  std::memcpy(&y, &x, sizeof y);
  return y;
}

// a * b + c with one rounding where the tier has it.
inline vf fma(vf a, vf b, vf c) {
#if defined(__AVX512F__)
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}
// a > b ? a : b, so b when either is NaN (as the instructions have it); min alike.
inline vf max(vf a, vf b) {
#if defined(__AVX512F__)
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return a > b ? a : b;
#endif
}
inline vf min(vf a, vf b) {
#if defined(__AVX512F__)
  return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return a < b ? a : b;
#endif
}
// lane i of yes where bit i is set, of no elsewhere
inline vf select_bits(uint32_t bits, vf yes, vf no) {
#if defined(__AVX512F__)
  return (vf)_mm512_mask_blend_ps(static_cast<__mmask16>(bits), (__m512)no, (__m512)yes);
#else
  vi bit;
  for (int i = 0; i < kLanes; i++) bit[i] = 1 << i;
  return (splat_i(static_cast<int32_t>(bits)) & bit) != 0 ? yes : no;
#endif
}
inline vf sqrt(vf x) {
#if defined(__AVX512F__)
  return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
  return (vf)_mm256_sqrt_ps((__m256)x);
#else
  vf y;
  for (int i = 0; i < kLanes; i++) y[i] = __builtin_sqrtf(x[i]);
  return y;
#endif
}

// ---- memory: whole vectors, and the first n lanes (0 <= n <= kLanes; the others read as 0, and are not touched on store) ----
inline vf load(const float* p) {
  vf x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
inline void store(float* p, vf x) { std::memcpy(p, &x, sizeof x); }

#if defined(__AVX512F__)
inline vf load(const bf16* p) {
  const __m512i w = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return (vf)_mm512_castsi512_ps(_mm512_slli_epi32(w, 16));
}
inline vf load(const f16* p) { return (vf)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline vf load(const uint8_t* p) {
  return (vf)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline __m256i round_bf16(vf x) {
  // Not VCVTNEPS2BF16: it flushes denormals to zero, and every tier must round alike.
  const __m512i bits = _mm512_castps_si512((__m512)x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i up = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __mmask16 nan = _mm512_cmp_ps_mask((__m512)x, (__m512)x, _CMP_UNORD_Q);
  up = _mm512_mask_mov_epi32(up, nan, _mm512_or_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x40)));
  return _mm512_cvtepi32_epi16(up);
}
inline void store(bf16* p, vf x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), round_bf16(x)); }
inline void store(f16* p, vf x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT));
}
inline __mmask16 lanes(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
inline vf load_n(const float* p, int n) { return (vf)_mm512_maskz_loadu_ps(lanes(n), p); }
inline vf load_n(const bf16* p, int n) {
  const __m512i w = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes(n), p));
  return (vf)_mm512_castsi512_ps(_mm512_slli_epi32(w, 16));
}
inline vf load_n(const f16* p, int n) { return (vf)_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes(n), p)); }
inline vf load_n(const uint8_t* p, int n) { return (vf)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes(n), p))); }
inline void store_n(float* p, vf x, int n) { _mm512_mask_storeu_ps(p, lanes(n), (__m512)x); }
inline void store_n(bf16* p, vf x, int n) { _mm256_mask_storeu_epi16(p, lanes(n), round_bf16(x)); }
inline void store_n(f16* p, vf x, int n) { _mm256_mask_storeu_epi16(p, lanes(n), _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT)); }
inline float sum(vf x) { return _mm512_reduce_add_ps((__m512)x); }
inline float max_lane(vf x) { return _mm512_reduce_max_ps((__m512)x); }
#else
template <class T>
inline vf load_n(const T* p, int n) {
  float lane[kLanes] = {};
  for (int i = 0; i < n; i++) lane[i] = to_f32(p[i]);
  return load(lane);
}
template <class T>
inline void store_n(T* p, vf x, int n) {
  for (int i = 0; i < n; i++) p[i] = from_f32<T>(x[i]);
}
#if defined(__AVX2__)
inline vf load(const bf16* p) {
  const __m256i w = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return (vf)_mm256_castsi256_ps(_mm256_slli_epi32(w, 16));
}
inline vf load(const f16* p) { return (vf)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
inline vf load(const uint8_t* p) {
  return (vf)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
inline void store(f16* p, vf x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT)); }
inline void store(bf16* p, vf x) {
  const vi bits = as_int(x);
  const vi nearest = (vi)((vu)bits + 0x7fff + (((vu)bits >> 16) & 1));
  const __m256i w = (__m256i)((vi)((vu)(x != x ? (bits | 0x400000) : nearest) >> 16));  // NaN stays NaN, quiet
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(w, w), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
}
#else
inline vf load(const bf16* p) { return load_n(p, kLanes); }
inline vf load(const f16* p) { return load_n(p, kLanes); }
inline vf load(const uint8_t* p) { return load_n(p, kLanes); }
inline void store(f16* p, vf x) { store_n(p, x, kLanes); }
inline void store(bf16* p, vf x) { store_n(p, x, kLanes); }
#endif
inline float sum(vf x) {
  float lane[kLanes];
  store(lane, x);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) lane[i] += lane[i + half];
  }
  return lane[0];
}
inline float max_lane(vf x) {
  float m = x[0];
  for (int i = 1; i < kLanes; i++) m = x[i] > m ? x[i] : m;
  return m;
}
#endif

// ---- functions: error below 2 ulp over the whole range unless said ----

// p * 2^n for whole n in [-151, 129].
inline vf scale(vf p, vf n) {
#if defined(__AVX512F__)
  return (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  // Two factors, so that results at both ends of the range need no special case.
  const vi whole = __builtin_convertvector(n, vi);
  const vi half = whole >> 1;
  return p * as_float((half + 127) << 23) * as_float((whole - half + 127) << 23);
#endif
}
inline vf round_whole(vf x) {           // |x| < 2^22
  const vf magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  return (x + magic) - magic;
}

// 2^x. Below -150 gives 0, above 128 infinity; NaN stays NaN.
inline vf exp2(vf x) {
  // 2^x = 2^n * 2^f, |f| <= 1/2; minimax polynomial of degree 6 for 2^f.
  const vf bounded = max(splat(-151.0f), min(splat(129.0f), x));  // in this order NaN passes
  const vf n = round_whole(bounded);
  const vf f = bounded - n;
  vf p = splat(1.5403530e-4f);
  p = fma(p, f, splat(1.3333558e-3f));
  p = fma(p, f, splat(9.6181291e-3f));
  p = fma(p, f, splat(5.5504109e-2f));
  p = fma(p, f, splat(2.4022651e-1f));
  p = fma(p, f, splat(6.9314718e-1f));
  p = fma(p, f, splat(1.0f));
  return scale(p, n);
}

inline vf exp(vf x) {
  // exp(x) = 2^n * exp(r), r = x - n ln 2; the first part of ln 2 has few bits, so that n times it is exact without fma, too.
  // Polynomial of Cephes' expf.
  const vf bounded = max(min(x, splat(89.0f)), splat(-104.0f));
  const vf n = round_whole(bounded * 1.44269504f);
  const vf r = fma(n, splat(2.12194440e-4f), fma(n, splat(-0.693359375f), bounded));
  vf p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p * r, r, r) + 1.0f;
  const vf y = scale(p, n);
  return x != x ? x : y;
}

inline vf abs(vf x) { return as_float(as_int(x) & splat_i(0x7fffffff)); }

inline vf tanh(vf x) {
  // Near 0 the polynomial of tanh; elsewhere 1 - 2 / (exp(2|x|) + 1) with the sign put back.
  const vf a = abs(x);
  const vf big = splat(1.0f) - splat(2.0f) / (exp(a + a) + splat(1.0f));
  const vf s = x * x;
  vf p = splat(-5.70498872745e-3f);
  p = fma(p, s, splat(2.06390887954e-2f));
  p = fma(p, s, splat(-5.37397155531e-2f));
  p = fma(p, s, splat(1.33314422036e-1f));
  p = fma(p, s, splat(-3.33332819422e-1f));
  const vf small = fma(p * s, x, x);
  const vf signed_big = as_float(as_int(big) | (as_int(x) & splat_i(static_cast<int32_t>(0x80000000u))));
  return a < splat(0.625f) ? small : (x != x ? x : signed_big);
}

inline vf sigmoid(vf x) { return splat(1.0f) / (splat(1.0f) + exp(-x)); }

// Near 0 an odd polynomial; elsewhere 1 - exp(polynomial of |x|) with the sign put back. Coefficients: N. Juffa, error about 1 ulp.
inline vf erf(vf x) {
  const vf a = min(abs(x), splat(4.0f));  // erf is 1 from 3.92 on
  const vf s = a * a;
  vf p = fma(splat(-1.72853470e-5f), a, splat(3.83197126e-4f));
  const vf q = fma(splat(-3.88396438e-3f), a, splat(2.42546219e-2f));
  p = fma(p, s, q);
  p = fma(p, a, splat(-1.06777877e-1f));
  p = fma(p, a, splat(-6.34846687e-1f));
  p = fma(p, a, splat(-1.28717512e-1f));
  const vf big = splat(1.0f) - exp(fma(p, a, -a));
  vf r = splat(-5.96761703e-4f);
  r = fma(r, s, splat(4.99119423e-3f));
  r = fma(r, s, splat(-2.67681349e-2f));
  r = fma(r, s, splat(1.12819925e-1f));
  r = fma(r, s, splat(-3.76125336e-1f));
  r = fma(r, s, splat(1.28379166e-1f));
  const vf small = fma(r, x, x);
  const vf signed_big = as_float(as_int(big) | (as_int(x) & splat_i(static_cast<int32_t>(0x80000000u))));
  return a < splat(0.927734375f) ? small : (x != x ? x : signed_big);
}

// Natural logarithm: -inf at 0, NaN below. x = m 2^e with m in [sqrt(1/2), sqrt(2)); polynomial of Cephes' logf.
inline vf log(vf x) {
  const vi tiny = x < splat(1.17549435e-38f);
  const vf scaled = tiny ? x * 8388608.0f : x;             // denormals: times 2^23
  const vi bits = (vi)((vu)as_int(scaled) - 0x3f3504f3u);  // sqrt(1/2)
  const vf e = __builtin_convertvector(bits >> 23, vf) - (tiny ? splat(23.0f) : splat(0.0f));
  const vf m = as_float((bits & 0x007fffff) + 0x3f3504f3) - 1.0f;
  vf p = splat(7.0376836292e-2f);
  p = fma(p, m, splat(-1.1514610310e-1f));
  p = fma(p, m, splat(1.1676998740e-1f));
  p = fma(p, m, splat(-1.2420140846e-1f));
  p = fma(p, m, splat(1.4249322787e-1f));
  p = fma(p, m, splat(-1.6668057665e-1f));
  p = fma(p, m, splat(2.0000714765e-1f));
  p = fma(p, m, splat(-2.4999993993e-1f));
  p = fma(p, m, splat(3.3333331174e-1f));
  const vf s = m * m;
  const vf y = m + (fma(e, splat(-2.12194440e-4f), p * m * s) - 0.5f * s);
  const vf result = fma(e, splat(0.693359375f), y);
  const vf infinity = splat(std::numeric_limits<float>::infinity());
  const vf limit = x == 0.0f ? -infinity : x < 0.0f ? splat(std::numeric_limits<float>::quiet_NaN()) : x;
  return (x > 0.0f) & (x < infinity) ? result : limit;
}

}  // namespace hd::HD_TIER
