#if defined(__x86_64__)
#include "int_gemm_level.h"
#include "../math/isa_avx2.h"

#define VI_LANES 8
typedef __m256i vi;

static inline vi vi_zero(void) { return _mm256_setzero_si256(); }

static inline vi vi_pair(const int16_t *a) {
  int32_t pair;
  memcpy(&pair, a, sizeof pair);
  return _mm256_set1_epi32(pair);
}

static inline vi vi_load(const int16_t *b) { return _mm256_loadu_si256((const __m256i *)b); }
static inline vi vi_add_pairs(vi sum, vi a, vi b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }

#include "int_gemm_tile.h"

#include "../math/isa_end.h"
#endif
