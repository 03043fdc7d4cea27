// 32 bf16 as doubles. The even and the odd ones are halves of dwords: one operation each makes floats of them, with no shuffle, and one
// blend brings them back. AVX-512 alone; predictions and outcomes in study/merge/NOTES.md, v4.
#pragma once
#include "wide.h"

#if defined(__AVX512F__)
namespace hd::HD_TIER {

constexpr int kPairs = 32;

struct pairs {
  vd even[2], odd[2];
};
inline pairs operator+(const pairs& a, const pairs& b) {
  return {{a.even[0] + b.even[0], a.even[1] + b.even[1]}, {a.odd[0] + b.odd[0], a.odd[1] + b.odd[1]}};
}
inline pairs operator-(const pairs& a, const pairs& b) {
  return {{a.even[0] - b.even[0], a.even[1] - b.even[1]}, {a.odd[0] - b.odd[0], a.odd[1] - b.odd[1]}};
}
inline pairs operator*(vd w, const pairs& a) { return {{w * a.even[0], w * a.even[1]}, {w * a.odd[0], w * a.odd[1]}}; }

inline pairs get_pairs(const bf16* p) {
  const __m512i x = _mm512_loadu_si512(p);
  const wide even = widen((vf)_mm512_castsi512_ps(_mm512_slli_epi32(x, 16)));
  const wide odd = widen((vf)_mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32(static_cast<int32_t>(0xffff0000u)))));
  return {{even.lo, even.hi}, {odd.lo, odd.hi}};
}

// False, and nothing stored, if something is denormal, not finite or may overflow.
inline bool put_pairs(bf16* p, const pairs& x) {
  const __m512 even = _mm512_insertf32x8(_mm512_castps256_ps512(narrow_to_8(x.even[0])), narrow_to_8(x.even[1]), 1);
  const __m512 odd = _mm512_insertf32x8(_mm512_castps256_ps512(narrow_to_8(x.odd[0])), narrow_to_8(x.odd[1]), 1);
  const __m512i both = _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(_mm512_castps_si512(even), 16), _mm512_castps_si512(odd));
  const __m512i size = _mm512_and_si512(both, _mm512_set1_epi16(0x7fff));
  if ((_mm512_fpclass_ps_mask(even, kRare) | _mm512_fpclass_ps_mask(odd, kRare)) != 0) return false;
  if (_mm512_cmpeq_epi16_mask(size, _mm512_set1_epi16(kLargestBf16)) != 0) return false;
  _mm512_storeu_si512(p, both);
  return true;
}
}  // namespace hd::HD_TIER
#endif
