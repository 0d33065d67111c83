#include "conv_integer_dot.h"

#if defined(__x86_64__)
#include <immintrin.h>

static inline int32_t sum_lanes(__m128i v) {
  v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(v, _mm_shuffle_epi32(v, 0xb1)));
}

void apusk_integer_dot_portable(const int16_t *a, const int16_t *b, int64_t k, int32_t *sums) {
  __m128i acc[2][4];
  for (int i = 0; i < 8; i++) acc[i / 4][i % 4] = _mm_setzero_si128();
  for (int64_t p = 0; p < k; p += 8) {
    __m128i x0 = _mm_loadu_si128((const __m128i *)(a + p)), x1 = _mm_loadu_si128((const __m128i *)(a + k + p));
#pragma clang loop unroll(full)
    for (int j = 0; j < 4; j++) {
      __m128i w = _mm_loadu_si128((const __m128i *)(b + j * k + p));
      acc[0][j] = _mm_add_epi32(acc[0][j], _mm_madd_epi16(x0, w));
      acc[1][j] = _mm_add_epi32(acc[1][j], _mm_madd_epi16(x1, w));
    }
  }
  for (int i = 0; i < 8; i++) sums[i] = sum_lanes(acc[i / 4][i % 4]);
}

__attribute__((target("avx2"))) void apusk_integer_dot_avx2(const int16_t *a, const int16_t *b, int64_t k, int32_t *sums) {
  __m256i acc[2][4];
  for (int i = 0; i < 8; i++) acc[i / 4][i % 4] = _mm256_setzero_si256();
  for (int64_t p = 0; p < k; p += 16) {
    __m256i x0 = _mm256_loadu_si256((const __m256i *)(a + p)), x1 = _mm256_loadu_si256((const __m256i *)(a + k + p));
#pragma clang loop unroll(full)
    for (int j = 0; j < 4; j++) {
      __m256i w = _mm256_loadu_si256((const __m256i *)(b + j * k + p));
      acc[0][j] = _mm256_add_epi32(acc[0][j], _mm256_madd_epi16(x0, w));
      acc[1][j] = _mm256_add_epi32(acc[1][j], _mm256_madd_epi16(x1, w));
    }
  }
  for (int i = 0; i < 8; i++) {
    __m256i v = acc[i / 4][i % 4];
    sums[i] = sum_lanes(_mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
  }
}
#else
void apusk_integer_dot_portable(const int16_t *a, const int16_t *b, int64_t k, int32_t *sums) {
  for (int i = 0; i < 8; i++) {
    uint32_t sum = 0;
    for (int64_t p = 0; p < k; p++) sum += (uint32_t)((int32_t)a[i / 4 * k + p] * b[i % 4 * k + p]);
    sums[i] = (int32_t)sum;
  }
}
#endif
