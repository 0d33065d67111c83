#if defined(__x86_64__)
#include <immintrin.h>

#define LANES 8
#define LANES_TARGET __attribute__((target("avx2,fma")))
#include "lanes.h"

// Quads as two pairs of 16 bits, bytes 0 and 2 and bytes 1 and 3: their products and sums are exact.
typedef struct lanes_pairs {
  __m256i even, odd;
} lanes_pairs;
typedef lanes_pairs lanes_a;
typedef lanes_pairs lanes_b;

LANES_INLINE lanes_a pairs_of(__m256i quads) {
  return (lanes_a){_mm256_and_si256(quads, _mm256_set1_epi16(255)), _mm256_srli_epi16(quads, 8)};
}
LANES_INLINE lanes_a lanes_a_load(const uint8_t *a, lanes_int flip) {
  uint32_t quad;
  memcpy(&quad, a, sizeof quad);
  return pairs_of(_mm256_xor_si256(_mm256_set1_epi32((int32_t)quad), (__m256i)flip));
}
LANES_INLINE lanes_b lanes_b_load(const int8_t *b) {
  const __m256i quads = _mm256_loadu_si256((const __m256i *)b);
  return (lanes_b){_mm256_srai_epi16(_mm256_slli_epi16(quads, 8), 8), _mm256_srai_epi16(quads, 8)};
}
LANES_INLINE lanes_int lanes_dot(lanes_int sum, lanes_a a, lanes_b b) {
  return sum + (lanes_int)_mm256_madd_epi16(a.even, b.even) + (lanes_int)_mm256_madd_epi16(a.odd, b.odd);
}

#define TILE_ROWS 4
#define TILE_PANELS 1
#include "tile.h"

#include "finish.h"

#include "quads_8.h"

LANES_INLINE void lanes_quads(const uint8_t *x0, const uint8_t *x1, const uint8_t *x2, const uint8_t *x3, lanes_int flip,
                              lanes_a *quads) {
  *quads = pairs_of(quads_8(x0, x1, x2, x3, flip));
}
#define DEPTHWISE_VECTORS 1
#include "depthwise.h"

#include "quantize.h"

const apusk_integer_isa apusk_integer_isa_avx2 = {
    .rows = TILE_ROWS, .panels = TILE_PANELS, .multiplies_per_us = 40000, .tile = tile, .finish = finish,
    .depthwise = depthwise, .quantize = quantize, .activate = apusk_activate_f32_avx2,
};
#endif
