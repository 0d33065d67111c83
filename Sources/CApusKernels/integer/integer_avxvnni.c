#if defined(__x86_64__)
#include <immintrin.h>

#define LANES 8
#define LANES_TARGET __attribute__((target("avx2,fma,avxvnni")))
#include "lanes.h"

typedef __m256i lanes_a;
typedef __m256i lanes_b;

LANES_INLINE lanes_a lanes_a_load(const uint8_t *a, lanes_int flip) {
  uint32_t quad;
  memcpy(&quad, a, sizeof quad);
  return _mm256_xor_si256(_mm256_set1_epi32((int32_t)quad), (__m256i)flip);
}
LANES_INLINE lanes_b lanes_b_load(const int8_t *b) { return _mm256_loadu_si256((const __m256i *)b); }
LANES_INLINE lanes_int lanes_dot(lanes_int sum, lanes_a a, lanes_b b) {
  return (lanes_int)_mm256_dpbusd_avx_epi32((__m256i)sum, a, b);
}

#define TILE_ROWS 6
#define TILE_PANELS 1
#include "tile.h"

#include "finish.h"

#include "quads_8.h"

LANES_INLINE void lanes_quads(const uint8_t *x0, const uint8_t *x1, const uint8_t *x2, const uint8_t *x3, lanes_int flip,
                              lanes_a *quads) {
  *quads = quads_8(x0, x1, x2, x3, flip);
}
#define DEPTHWISE_VECTORS 1
#include "depthwise.h"

#include "quantize.h"

const apusk_integer_isa apusk_integer_isa_avxvnni = {
    .rows = TILE_ROWS, .panels = TILE_PANELS, .multiplies_per_us = 100000, .tile = tile, .finish = finish,
    .depthwise = depthwise, .quantize = quantize, .activate = apusk_activate_f32_avx2,
};
#endif
