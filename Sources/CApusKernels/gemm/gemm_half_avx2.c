#if defined(__x86_64__)
#include "simd_avx2.h"

#include "gemm_half.h"

#define WIDE_VECTORS 2

SIMD_INLINE vf widen_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
SIMD_INLINE vf low_bf16(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
SIMD_INLINE vf high_bf16(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int32_t)0xffff0000)));
}

SIMD_INLINE void load_panel(const int type, const uint16_t *b, vf *columns) {
  if (type == 0) {
    columns[0] = widen_f16(b);
    columns[1] = widen_f16(b + VL);
  } else {
    const __m256i pairs = _mm256_loadu_si256((const __m256i *)b);
    columns[0] = low_bf16(pairs);
    columns[1] = high_bf16(pairs);
  }
}

#include "gemm_half_few.h"

FEW(1, 4) FEW(1, 1) FEW(2, 2) FEW(3, 1) FEW(4, 1)

SIMD_TARGET static void widen_f16_all(const uint16_t *source, int64_t count, float *target) {
  for (; count >= VL; count -= VL, source += VL, target += VL) vstore(target, widen_f16(source));
  if (count > 0) apusk_half_portable.widen[0](source, count, target);
}

SIMD_TARGET static void widen_bf16_all(const uint16_t *source, int64_t count, float *target) {
  for (; count >= VL; count -= VL, source += VL, target += VL) {
    vstore(target, low_bf16(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)source))));
  }
  if (count > 0) apusk_half_portable.widen[1](source, count, target);
}

SIMD_TARGET static void unzip(const uint16_t *panel, int64_t depth, float *target) {
  for (; depth > 0; depth--, panel += 2 * VL, target += 2 * VL) {
    const __m256i pairs = _mm256_loadu_si256((const __m256i *)panel);
    vstore(target, low_bf16(pairs));
    vstore(target + VL, high_bf16(pairs));
  }
}

const apusk_half_isa apusk_half_avx2 = {
    .panels = {4, 2, 1, 1},
    .few = {{f16_1x4, f16_2x2, f16_3x1, f16_4x1}, {bf16_1x4, bf16_2x2, bf16_3x1, bf16_4x1}},
    .single = {f16_1x1, bf16_1x1},
    .widen = {widen_f16_all, widen_bf16_all},
    .unzip = unzip,
};
#endif
