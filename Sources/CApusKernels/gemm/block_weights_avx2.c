#if defined(__x86_64__)
#include "simd_avx2.h"

#include "block_weights.h"

#define BLOCK_TARGET SIMD_TARGET
#define BLOCK_INLINE SIMD_INLINE
typedef __m256i vi;
#define TOGETHER 2

SIMD_INLINE vi vi_load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
SIMD_INLINE vi vi_bytes(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
SIMD_INLINE vi vi_set1(int32_t x) { return _mm256_set1_epi32(x); }
SIMD_INLINE vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
SIMD_INLINE vi vi_shift_right4(vi a) { return _mm256_srli_epi32(a, 4); }
SIMD_INLINE vi vi_shift_right8(vi a) { return _mm256_srli_epi32(a, 8); }
SIMD_INLINE vi vi_shift_left8(vi a) { return _mm256_slli_epi32(a, 8); }
SIMD_INLINE vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
SIMD_INLINE vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
SIMD_INLINE vi vi_multiply16(vi a, vi b) { return _mm256_madd_epi16(a, b); }
SIMD_INLINE vi vi_multiply(vi a, vi b) { return _mm256_mullo_epi32(a, b); }
SIMD_INLINE vi vi_max(vi a, vi b) { return _mm256_max_epi32(a, b); }
SIMD_INLINE vi vi_rounded(vf a) { return _mm256_cvtps_epi32(a); }
SIMD_INLINE vi vi_shift_signed8(vi a) { return _mm256_srai_epi32(a, 8); }
SIMD_INLINE vi vi_low_bytes(vi a) { return _mm256_srai_epi32(_mm256_slli_epi32(a, 24), 24); }
SIMD_INLINE void vi_store(int32_t *p, vi a) { _mm256_storeu_si256((__m256i *)p, a); }
SIMD_INLINE void vi_store_bytes(int8_t *p, vi a) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(words, words));
}
SIMD_INLINE vf vf_of_vi(vi a) { return _mm256_cvtepi32_ps(a); }
SIMD_INLINE vf vf_of_half(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }

// Products of 4 bits by a digit stay in 16 bits; those of 8 are made of even and of odd bytes.
BLOCK_INLINE vi dot(vi sum, vi q, const int8_t *digits, const int bits) {
  int32_t word;
  memcpy(&word, digits, sizeof word);
  const vi four = _mm256_set1_epi32(word);
  if (bits == 4) return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(q, four), _mm256_set1_epi16(1)));
  const vi even = _mm256_srai_epi16(_mm256_slli_epi16(four, 8), 8), odd = _mm256_srai_epi16(four, 8);
  sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_and_si256(q, _mm256_set1_epi16(255)), even));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_srli_epi16(q, 8), odd));
}

BLOCK_INLINE vi dot_dynamic(vi sum, const int8_t *bytes, vi q) {
  int32_t word;
  memcpy(&word, bytes, sizeof word);
  const vi four = _mm256_set1_epi32(word);
  const vi even = _mm256_and_si256(four, _mm256_set1_epi16(255)), odd = _mm256_srli_epi16(four, 8);
  sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_srai_epi16(_mm256_slli_epi16(q, 8), 8), even));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_srai_epi16(q, 8), odd));
}

#include "block_weights_kernels.h"

BLOCK_PANEL(4, 1) BLOCK_PANEL(8, 1)

APUSK_BLOCK_ENTRIES(apusk_block_avx2)

const apusk_block_isa apusk_block_avx2 = {
    .gemm = &apusk_gemm_isa_avx2,
    .panel = {{panel_4_1}, {panel_8_1}},
    .dynamic_panel = dynamic_panel,
    .dynamic = &apusk_dynamic_avx2,
    .digits = digits,
    .strip = strip,
    .run_product = run_product,
    .run_digits = run_digits,
};
#endif
