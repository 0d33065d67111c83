#if defined(__x86_64__)
#include "simd_avx512_8.h"

#include "gemm_half.h"

#define WIDE_VECTORS 4

SIMD_INLINE void load_panel(const int type, const uint16_t *b, vf *columns) {
  (void)type;
  SIMD_UNROLL for (int v = 0; v < WIDE_VECTORS; v++) {
    columns[v] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(b + v * VL)));
  }
}

#include "gemm_half_few.h"

SIMD_TARGET void apusk_half_f16_1x4_avx512(const apusk_half_few *f) { few_body(f, 0, 1, 4); }
SIMD_TARGET void apusk_half_f16_1x1_avx512(const apusk_half_few *f) { few_body(f, 0, 1, 1); }
SIMD_TARGET void apusk_half_f16_2x2_avx512(const apusk_half_few *f) { few_body(f, 0, 2, 2); }
#endif
