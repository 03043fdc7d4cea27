// Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), with the constants of
// Random123: the same bits as on every other backend. philox4x32_10 is one block; philox_words fills a stretch of the stream.
#pragma once
#include "simd/simd.h"

namespace hd::HD_TIER {

constexpr uint32_t kPhiloxM0 = 0xD2511F53u, kPhiloxM1 = 0xCD9E8D57u, kPhiloxW0 = 0x9E3779B9u, kPhiloxW1 = 0xBB67AE85u;

// counter: in the counter, out the four random words.
inline void philox4x32_10(uint32_t counter[4], uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; round++) {
    const uint64_t a = static_cast<uint64_t>(kPhiloxM0) * counter[0];
    const uint64_t b = static_cast<uint64_t>(kPhiloxM1) * counter[2];
    const uint32_t c1 = counter[1], c3 = counter[3];
    counter[0] = static_cast<uint32_t>(b >> 32) ^ c1 ^ key0;
    counter[1] = static_cast<uint32_t>(b);
    counter[2] = static_cast<uint32_t>(a >> 32) ^ c3 ^ key1;
    counter[3] = static_cast<uint32_t>(a);
    key0 += kPhiloxW0;
    key1 += kPhiloxW1;
  }
}

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

// words[4 j + w] = word w of the block with counter (block + j, low and high; offset, low and high), j < kLanes.
inline void philox_words(uint64_t block, uint64_t offset, uint64_t key, uint32_t words[kPhiloxWords]) {
  vu c[4] = {};
  for (int j = 0; j < kLanes; j++) {
    c[0][j] = static_cast<uint32_t>(block + static_cast<uint64_t>(j));
    c[1][j] = static_cast<uint32_t>((block + static_cast<uint64_t>(j)) >> 32);
  }
  c[2] += static_cast<uint32_t>(offset);
  c[3] += static_cast<uint32_t>(offset >> 32);
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
  for (int j = 0; j < kLanes; j++) {
    for (int w = 0; w < 4; w++) words[4 * j + w] = c[w][j];
  }
}
}  // namespace hd::HD_TIER
