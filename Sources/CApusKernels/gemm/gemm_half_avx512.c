#if defined(__x86_64__)
#include "simd_avx512.h"

#include "gemm_half.h"

#define WIDE_VECTORS 2

SIMD_INLINE vf widen_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
SIMD_INLINE vf low_bf16(__m512i pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)); }
SIMD_INLINE vf high_bf16(__m512i pairs) {
  return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int32_t)0xffff0000)));
}

SIMD_INLINE void load_panel(const int type, const uint16_t *b, vf *columns) {
  if (type == 0) {
    columns[0] = widen_f16(b);
    columns[1] = widen_f16(b + VL);
  } else {
    const __m512i pairs = _mm512_loadu_si512(b);
    columns[0] = low_bf16(pairs);
    columns[1] = high_bf16(pairs);
  }
}

#include "gemm_half_few.h"

FEW_OF(1, bf16, 1, 4) FEW_OF(1, bf16, 1, 1) FEW_OF(1, bf16, 2, 2) FEW(3, 2) FEW(4, 2)

SIMD_TARGET static void widen_f16_all(const uint16_t *source, int64_t count, float *target) {
  for (; count >= VL; count -= VL, source += VL, target += VL) vstore(target, widen_f16(source));
  if (count > 0) {
    vstore_n(target, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(simd_mask(count), source)), count);
  }
}

SIMD_TARGET static void widen_bf16_all(const uint16_t *source, int64_t count, float *target) {
  for (; count > 0; count -= VL, source += VL, target += VL) {
    const int64_t n = count < VL ? count : VL;
    const __m256i elements = _mm256_maskz_loadu_epi16(simd_mask(n), source);
    vstore_n(target, low_bf16(_mm512_cvtepu16_epi32(elements)), n);
  }
}

SIMD_TARGET static void unzip(const uint16_t *panel, int64_t depth, float *target) {
  for (; depth > 0; depth--, panel += 2 * VL, target += 2 * VL) {
    const __m512i pairs = _mm512_loadu_si512(panel);
    vstore(target, low_bf16(pairs));
    vstore(target + VL, high_bf16(pairs));
  }
}

const apusk_half_isa apusk_half_avx512 = {
    .panels = {4, 2, 2, 2},
    .few = {{apusk_half_f16_1x4_avx512, apusk_half_f16_2x2_avx512, f16_3x2, f16_4x2}, {bf16_1x4, bf16_2x2, bf16_3x2, bf16_4x2}},
    .single = {apusk_half_f16_1x1_avx512, bf16_1x1},
    .widen = {widen_f16_all, widen_bf16_all},
    .unzip = unzip,
};
#endif
