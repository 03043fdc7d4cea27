// Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), with the constants of
// Random123: the same bits as on every other backend. philox4x32_10 is one block per lane; philox_words fills a stretch of the stream.
#pragma once
#include "simd/simd.h"

namespace hd::HD_TIER {

constexpr uint32_t kPhiloxM0 = 0xD2511F53u, kPhiloxM1 = 0xCD9E8D57u, kPhiloxW0 = 0x9E3779B9u, kPhiloxW1 = 0xBB67AE85u;

// high and low halves of the products of 32-bit lanes.
inline void multiply(vu x, uint32_t factor, vu& high, vu& low) {
#if defined(__AVX512F__)
  const __m512i v = (__m512i)x, f = _mm512_set1_epi64(factor);
  const __m512i even = _mm512_mul_epu32(v, f), odd = _mm512_mul_epu32(_mm512_srli_epi64(v, 32), f);
  high = (vu)_mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
  low = (vu)_mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
#elif defined(__AVX2__)
  const __m256i v = (__m256i)x, f = _mm256_set1_epi64x(factor);
  const __m256i even = _mm256_mul_epu32(v, f), odd = _mm256_mul_epu32(_mm256_srli_epi64(v, 32), f);
  high = (vu)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
  low = (vu)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
#else
  for (int i = 0; i < kLanes; i++) {
    const uint64_t product = static_cast<uint64_t>(factor) * x[i];
    high[i] = static_cast<uint32_t>(product >> 32);
    low[i] = static_cast<uint32_t>(product);
  }
#endif
}

constexpr int kPhiloxWords = 4 * kLanes;

// words[4 j + w] = c[w][j]
inline void interleave(const vu c[4], uint32_t words[kPhiloxWords]) {
#if defined(__AVX512F__)
  const __m512i a = _mm512_unpacklo_epi32((__m512i)c[0], (__m512i)c[1]), b = _mm512_unpackhi_epi32((__m512i)c[0], (__m512i)c[1]);
  const __m512i d = _mm512_unpacklo_epi32((__m512i)c[2], (__m512i)c[3]), e = _mm512_unpackhi_epi32((__m512i)c[2], (__m512i)c[3]);
  const __m512i quads[] = {_mm512_unpacklo_epi64(a, d), _mm512_unpackhi_epi64(a, d), _mm512_unpacklo_epi64(b, e),
                           _mm512_unpackhi_epi64(b, e)};
  for (int k = 0; k < 4; k++) {  // quads[k] holds blocks k, 4 + k, 8 + k, 12 + k
    _mm_storeu_si128(reinterpret_cast<__m128i*>(words + 4 * k), _mm512_extracti32x4_epi32(quads[k], 0));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(words + 4 * k + 16), _mm512_extracti32x4_epi32(quads[k], 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(words + 4 * k + 32), _mm512_extracti32x4_epi32(quads[k], 2));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(words + 4 * k + 48), _mm512_extracti32x4_epi32(quads[k], 3));
  }
#else
  uint32_t word[4][kLanes];
  std::memcpy(word, c, sizeof word);
  for (int j = 0; j < kLanes; j++) {
    for (int w = 0; w < 4; w++) words[4 * j + w] = word[w][j];
  }
#endif
}

// One block per lane: c[w] holds word w of the counters in, of the random words out.
inline void philox4x32_10(vu c[4], uint64_t key) {
  uint32_t key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; round++) {
    vu high0, low0, high2, low2;
    multiply(c[0], kPhiloxM0, high0, low0);
    multiply(c[2], kPhiloxM1, high2, low2);
    c[0] = high2 ^ c[1] ^ key0;
    c[1] = low2;
    c[2] = high0 ^ c[3] ^ key1;
    c[3] = low0;
    key0 += kPhiloxW0;
    key1 += kPhiloxW1;
  }
}

// words[4 j + w] = word w of the block with counter (block + j, low and high; offset, low and high), j < kLanes.
inline void philox_words(uint64_t block, uint64_t offset, uint64_t key, uint32_t words[kPhiloxWords]) {
  vu lane, c[4] = {};
  for (int j = 0; j < kLanes; j++) lane[j] = static_cast<uint32_t>(j);
  c[0] = lane + static_cast<uint32_t>(block);
  c[1] = static_cast<uint32_t>(block >> 32) - (vu)(c[0] < lane);  // a true comparison is -1: the carry
  c[2] += static_cast<uint32_t>(offset);
  c[3] += static_cast<uint32_t>(offset >> 32);
  philox4x32_10(c, key);
  interleave(c, words);
}
}  // namespace hd::HD_TIER
