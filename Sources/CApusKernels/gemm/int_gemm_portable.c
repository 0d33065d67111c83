#include "int_gemm_level.h"
#include "../math/isa_portable.h"

#define VI_LANES 4
typedef uint32_t vi __attribute__((vector_size(16)));
typedef int16_t pairs __attribute__((vector_size(16)));

static inline vi vi_zero(void) { return (vi){0}; }

static inline vi vi_pair(const int16_t *a) {
  uint32_t pair;
  memcpy(&pair, a, sizeof pair);
  return (vi){pair, pair, pair, pair};
}

static inline vi vi_load(const int16_t *b) {
  vi v;
  memcpy(&v, b, sizeof v);
  return v;
}

#if defined(__SSE2__)
#include <emmintrin.h>
static inline vi vi_add_pairs(vi sum, vi a, vi b) { return sum + (vi)_mm_madd_epi16((__m128i)a, (__m128i)b); }
#else
static inline vi vi_add_pairs(vi sum, vi a, vi b) {
  pairs x = (pairs)a, y = (pairs)b;
  for (int j = 0; j < VI_LANES; j++) sum[j] += (uint32_t)(x[2 * j] * y[2 * j] + x[2 * j + 1] * y[2 * j + 1]);
  return sum;
}
#endif

#include "int_gemm_tile.h"

#include "../math/isa_end.h"
