#if defined(__x86_64__)
#include "simd_avx512.h"

#include "block_weights.h"

#define BLOCK_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))
#define BLOCK_INLINE \
  static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))
typedef __m512i vi;
#define TOGETHER 2

SIMD_INLINE vi vi_load(const uint8_t *p) { return _mm512_loadu_si512(p); }
SIMD_INLINE vi vi_bytes(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }
SIMD_INLINE vi vi_set1(int32_t x) { return _mm512_set1_epi32(x); }
SIMD_INLINE vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
SIMD_INLINE vi vi_shift_right4(vi a) { return _mm512_srli_epi32(a, 4); }
SIMD_INLINE vi vi_shift_right8(vi a) { return _mm512_srli_epi32(a, 8); }
SIMD_INLINE vi vi_shift_left8(vi a) { return _mm512_slli_epi32(a, 8); }
SIMD_INLINE vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
SIMD_INLINE vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
SIMD_INLINE vi vi_multiply16(vi a, vi b) { return _mm512_madd_epi16(a, b); }
SIMD_INLINE vi vi_multiply(vi a, vi b) { return _mm512_mullo_epi32(a, b); }
SIMD_INLINE vi vi_max(vi a, vi b) { return _mm512_max_epi32(a, b); }
SIMD_INLINE vi vi_rounded(vf a) { return _mm512_cvtps_epi32(a); }
SIMD_INLINE vi vi_shift_signed8(vi a) { return _mm512_srai_epi32(a, 8); }
SIMD_INLINE vi vi_low_bytes(vi a) { return _mm512_srai_epi32(_mm512_slli_epi32(a, 24), 24); }
SIMD_INLINE void vi_store(int32_t *p, vi a) { _mm512_storeu_si512(p, a); }
SIMD_INLINE void vi_store_bytes(int8_t *p, vi a) { _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(a)); }
SIMD_INLINE vf vf_of_vi(vi a) { return _mm512_cvtepi32_ps(a); }
SIMD_INLINE vf vf_of_half(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }

BLOCK_INLINE vi dot(vi sum, vi q, const int8_t *digits, const int bits) {
  (void)bits;
  int32_t four;
  memcpy(&four, digits, sizeof four);
  return _mm512_dpbusd_epi32(sum, q, _mm512_set1_epi32(four));
}

BLOCK_INLINE vi dot_dynamic(vi sum, const int8_t *bytes, vi q) {
  int32_t four;
  memcpy(&four, bytes, sizeof four);
  return _mm512_dpbusd_epi32(sum, _mm512_set1_epi32(four), q);
}

#include "block_weights_kernels.h"

BLOCK_PANEL(4, 1) BLOCK_PANEL(4, 2) BLOCK_PANEL(4, 4) BLOCK_PANEL(8, 1) BLOCK_PANEL(8, 2) BLOCK_PANEL(8, 4)

APUSK_BLOCK_ENTRIES(apusk_block_vnni)

const apusk_block_isa apusk_block_vnni = {
    .gemm = &apusk_gemm_isa_avx512,
    .panel = {{panel_4_1, panel_4_2, panel_4_4}, {panel_8_1, panel_8_2, panel_8_4}},
    .dynamic_panel = dynamic_panel,
    .dynamic = &apusk_dynamic_avx512,
    .digits = digits,
    .strip = strip,
    .run_product = run_product,
    .run_digits = run_digits,
};
#endif
