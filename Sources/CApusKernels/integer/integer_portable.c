// The specification of the other levels.
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define LANES 4
#define LANES_TARGET
#include "lanes.h"

// Quads as two pairs of 16 bits, bytes 0 and 2 and bytes 1 and 3.
typedef uint16_t lanes_words __attribute__((ext_vector_type(8)));
typedef int16_t lanes_signed_words __attribute__((ext_vector_type(8)));
typedef struct lanes_pairs {
  lanes_signed_words even, odd;
} lanes_pairs;
typedef lanes_pairs lanes_a;
typedef lanes_pairs lanes_b;

LANES_INLINE lanes_a pairs_of(lanes_int quads) {
  lanes_words words;
  memcpy(&words, &quads, sizeof words);
  return (lanes_a){(lanes_signed_words)(words & 255), (lanes_signed_words)(words >> 8)};
}
LANES_INLINE lanes_a lanes_a_load(const uint8_t *a, lanes_int flip) {
  uint32_t quad;
  memcpy(&quad, a, sizeof quad);
  return pairs_of(lanes_set(quad) ^ flip);
}
LANES_INLINE lanes_b lanes_b_load(const int8_t *b) {
  lanes_words words;
  memcpy(&words, b, sizeof words);
  return (lanes_b){(lanes_signed_words)(words << 8) >> 8, (lanes_signed_words)words >> 8};
}
LANES_INLINE lanes_int add_products(lanes_int sum, lanes_signed_words a, lanes_signed_words b) {
#if defined(__SSE2__)
  return sum + (lanes_int)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
  for (int j = 0; j < LANES; j++) sum[j] += (uint32_t)(a[2 * j] * b[2 * j] + a[2 * j + 1] * b[2 * j + 1]);
  return sum;
#endif
}
LANES_INLINE lanes_int lanes_dot(lanes_int sum, lanes_a a, lanes_b b) {
  return add_products(add_products(sum, a.even, b.even), a.odd, b.odd);
}

#define TILE_ROWS 2
#define TILE_PANELS 1
#include "tile.h"

#include "finish.h"

LANES_INLINE void lanes_quads(const uint8_t *x0, const uint8_t *x1, const uint8_t *x2, const uint8_t *x3, lanes_int flip,
                              lanes_a *quads) {
  uint8_t bytes[4 * LANES];
  for (int c = 0; c < LANES; c++) {
    bytes[4 * c] = x0[c];
    bytes[4 * c + 1] = x1[c];
    bytes[4 * c + 2] = x2[c];
    bytes[4 * c + 3] = x3[c];
  }
  *quads = pairs_of(lanes_load(bytes) ^ flip);
}
#define DEPTHWISE_VECTORS 1
#include "depthwise.h"

#include "quantize.h"

const apusk_integer_isa apusk_integer_isa_portable = {
    .rows = TILE_ROWS, .panels = TILE_PANELS, .multiplies_per_us = 10000, .tile = tile, .finish = finish,
    .depthwise = depthwise, .quantize = quantize, .activate = apusk_activate_f32_portable,
};
