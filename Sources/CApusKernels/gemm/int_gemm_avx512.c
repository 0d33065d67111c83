#if defined(__x86_64__)
#include "int_gemm_level.h"
#include "../math/isa_avx512.h"

#define VI_LANES 16
typedef __m512i vi;

static inline vi vi_zero(void) { return _mm512_setzero_si512(); }

static inline vi vi_pair(const int16_t *a) {
  int32_t pair;
  memcpy(&pair, a, sizeof pair);
  return _mm512_set1_epi32(pair);
}

static inline vi vi_load(const int16_t *b) { return _mm512_loadu_si512(b); }
static inline vi vi_add_pairs(vi sum, vi a, vi b) { return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)); }

#include "int_gemm_tile.h"

#include "../math/isa_end.h"
#endif
