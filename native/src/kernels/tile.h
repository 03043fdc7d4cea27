// Products of small tiles, the heart of attention: c = a b, where b and c are rows of vectors and the elements of a are broadcast one by
// one. So a is read where it lies, in any order: keys and values of a call need no packing, and a transposed operand costs nothing.
//
// A unit is 4 bytes: an f32 or, with Pair, two bf16 that are neighbours along the sum (VDPBF16PS multiplies and adds both).
// Registers: 6 rows by 4 vectors with AVX-512 (24 sums; measured: study/attention/NOTES.md), 4 by 2 elsewhere; narrower columns of vectors
// are walked more rows at a time, so that as many sums are under way as the latency of a multiply-add asks for.
#pragma once
#include "kernels/views.h"

namespace hd::HD_TIER {

#if defined(__AVX512BF16__)
constexpr bool kPairs = true;  // whether Pair products exist in this tier
#else
constexpr bool kPairs = false;
#endif

// The element of row r and term t lies at data + r * row + t * step (bytes).
struct Broadcast {
  const void* data;
  int64_t row, step;
};

enum class Into { fresh, sum, rescaled };  // c = ab, c += ab, c = c * factor + ab with a factor per column

template <bool Pair>
inline vf multiply_add(vf a, vf b, vf c) {
#if defined(__AVX512BF16__)
  if constexpr (Pair) return (vf)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
#endif
  return fma(a, b, c);
}

template <bool Pair, Into How, int Rows, int Wide>
inline void register_tile(float* c, int64_t ldc, Broadcast a, const float* b, int64_t ldb, int64_t terms, const float* factor) {
  vf sum[Rows][Wide];
  // Unrolled early, so that GCC keeps the sums in registers from the first line to the last.
#pragma GCC unroll 16
  for (int r = 0; r < Rows; r++) {
#pragma GCC unroll 4
    for (int w = 0; w < Wide; w++) sum[r][w] = vf{};
  }
  auto unit = static_cast<const char*>(a.data);
  for (int64_t t = 0; t < terms; t++) {
    vf right[Wide];
#pragma GCC unroll 4
    for (int w = 0; w < Wide; w++) right[w] = load(b + w * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++) {
      float one;
      std::memcpy(&one, unit + r * a.row, 4);
      const vf left = splat(one);
#pragma GCC unroll 4
      for (int w = 0; w < Wide; w++) sum[r][w] = multiply_add<Pair>(left, right[w], sum[r][w]);
    }
    unit += a.step;
    b += ldb;
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; r++) {
#pragma GCC unroll 4
    for (int w = 0; w < Wide; w++) {
      float* to = c + r * ldc + w * kLanes;
      if constexpr (How == Into::fresh) store(to, sum[r][w]);
      if constexpr (How == Into::sum) store(to, load(to) + sum[r][w]);
      if constexpr (How == Into::rescaled) store(to, fma(load(to), load(factor + w * kLanes), sum[r][w]));
    }
  }
}

template <bool Pair, Into How, int Rows, int Wide>
inline void column_of_tiles(float* c, int64_t ldc, int64_t rows, Broadcast a, const float* b, int64_t ldb, int64_t terms,
                            const float* factor) {
  auto at = [&](int64_t r) { return Broadcast{static_cast<const char*>(a.data) + r * a.row, a.row, a.step}; };
  int64_t r = 0;
  for (; r + Rows <= rows; r += Rows) register_tile<Pair, How, Rows, Wide>(c + r * ldc, ldc, at(r), b, ldb, terms, factor);
  if constexpr (Rows > 4) {
    if (r + 4 <= rows) {
      register_tile<Pair, How, 4, Wide>(c + r * ldc, ldc, at(r), b, ldb, terms, factor);
      r += 4;
    }
  }
  for (; r < rows; r++) register_tile<Pair, How, 1, Wide>(c + r * ldc, ldc, at(r), b, ldb, terms, factor);
}

// c [rows][columns] from a [rows][terms] and b [terms][columns]; columns: a multiple of kLanes. ldb, ldc: floats from row to row.
template <bool Pair, Into How>
void multiply(float* c, int64_t ldc, int64_t rows, int64_t columns, Broadcast a, const float* b, int64_t ldb, int64_t terms,
              const float* factor = nullptr) {
  constexpr int kWide = kLanes == 16 ? 4 : 2, kTall = kLanes == 16 ? 6 : 4, kNarrow = kLanes == 16 ? 16 : 8;
  const auto from = [&](int64_t j) { return factor + (How == Into::rescaled ? j : 0); };
  int64_t j = 0;
  for (; j + kWide * kLanes <= columns; j += kWide * kLanes) {
    column_of_tiles<Pair, How, kTall, kWide>(c + j, ldc, rows, a, b + j, ldb, terms, from(j));
  }
  const int64_t rest = (columns - j) / kLanes;
  if constexpr (kWide > 2) {
    if (rest == 3) column_of_tiles<Pair, How, 8, 3>(c + j, ldc, rows, a, b + j, ldb, terms, from(j));
    if (rest == 2) column_of_tiles<Pair, How, 8, 2>(c + j, ldc, rows, a, b + j, ldb, terms, from(j));
  }
  if (rest == 1) column_of_tiles<Pair, How, kNarrow, 1>(c + j, ldc, rows, a, b + j, ldb, terms, from(j));
}

// ---- transposition ----
// Swaps the lanes `Half` apart between two vectors: one step of a square transposition.
template <int Half>
inline void exchange(vf& a, vf& b) {
  vi first, second;
  for (int i = 0; i < kLanes; i++) {
    const int from = i & ~Half;
    first[i] = (i & Half) == 0 ? i : kLanes + from;
    second[i] = (i & Half) == 0 ? i + Half : kLanes + i;
  }
  const vf x = __builtin_shuffle(a, b, first);
  b = __builtin_shuffle(a, b, second);
  a = x;
}
template <int Half>
inline void transpose_steps(vf (&x)[kLanes]) {
  for (int i = 0; i < kLanes; i++) {
    if ((i & Half) == 0) exchange<Half>(x[i], x[i + Half]);
  }
  if constexpr (Half > 1) transpose_steps<Half / 2>(x);
}
// to [columns][ldt] = transpose of from [rows][ldf]; both counts are multiples of kLanes.
inline void transpose(float* to, int64_t ldt, const float* from, int64_t ldf, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; r += kLanes) {
    for (int64_t c = 0; c < columns; c += kLanes) {
      vf x[kLanes];
      for (int i = 0; i < kLanes; i++) x[i] = load(from + (r + i) * ldf + c);
      transpose_steps<kLanes / 2>(x);
      for (int i = 0; i < kLanes; i++) store(to + (c + i) * ldt + r, x[i]);
    }
  }
}

// ---- pairs of bf16 ----
#if defined(__AVX512BF16__)
// lane i: (low[i], high[i]) rounded to bf16, low in the lower half
inline vf pair(vf low, vf high) {
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
  __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2,
                                   17, 1, 16, 0);
  return (vf)_mm512_permutexvar_epi16(order, both);
}
// to[0..15] = x rounded to bf16
inline void narrow(void* to, vf x) { _mm256_storeu_si256(static_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh((__m512)x)); }
#else
inline vf pair(vf low, vf) { return low; }  // never called: Pair exists only where kPairs
inline void narrow(void*, vf) {}
#endif
}  // namespace hd::HD_TIER
