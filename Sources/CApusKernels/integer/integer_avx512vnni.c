#if defined(__x86_64__)
#include <immintrin.h>

#define LANES 16
#define LANES_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))
#include "lanes.h"

typedef __m512i lanes_a;
typedef __m512i lanes_b;

LANES_INLINE lanes_a lanes_a_load(const uint8_t *a, lanes_int flip) {
  uint32_t quad;
  memcpy(&quad, a, sizeof quad);
  return _mm512_xor_si512(_mm512_set1_epi32((int32_t)quad), (__m512i)flip);
}
LANES_INLINE lanes_b lanes_b_load(const int8_t *b) { return _mm512_loadu_si512(b); }
LANES_INLINE lanes_int lanes_dot(lanes_int sum, lanes_a a, lanes_b b) {
  return (lanes_int)_mm512_dpbusd_epi32((__m512i)sum, a, b);
}

#define TILE_ROWS 12
#define TILE_PANELS 2
#include "tile.h"

// Four vectors of sums at a time, `across` of them side by side in a row, become 64 bytes: packing narrows and keeps 8 bits in
// range with a quarter of an instruction each. For sums whose products with their scales are far from the ends of int32.
LANES_INLINE void finish_bytes(const apusk_integer_finish *f, const int across) {
  const apusk_integer_tail *tail = f->tail;
  const apusk_integer_columns *columns = f->columns;
  // Signed results are found as unsigned ones, 128 larger.
  const int32_t shift = tail->output_type == APUSK_INT8 ? 128 : 0, zero = f->y_zero + shift;
  const __m512i zeros = _mm512_set1_epi16((int16_t)zero), low = _mm512_set1_epi8((char)(tail->low + shift));
  const __m512i flip = _mm512_set1_epi8((char)shift);
  const __m512i high = _mm512_set1_epi8((char)(tail->high + shift));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __mmask64 mask = f->count >= 64 ? ~0ull : (1ull << f->count) - 1;
  const int64_t rows = f->rows, output_row = f->output_row;
  const bool whole = f->count == 16 * across;
  const int32_t *sums = f->sums;
  uint8_t *output = f->output;
  for (int64_t row = 0; row < rows; row += 4 / across, sums += 64) {
    __m512i q[4];
    LANES_UNROLL for (int i = 0; i < 4; i++) {
      const int j = i % across * 16;
      const __m512i sum = _mm512_load_si512(sums + 16 * i);
      const __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_load_ps(columns->scale + j));
      q[i] = _mm512_cvtps_epi32(v);
    }
    const __m512i words0 = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), zeros);
    const __m512i words1 = _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), zeros);
    __m512i bytes = _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(words0, words1), low), high);
    bytes = _mm512_xor_si512(_mm512_permutexvar_epi32(order, bytes), flip);
    if (across == 4) {
      if (whole) {
        _mm512_storeu_si512(output, bytes);
      } else {
        _mm512_mask_storeu_epi8(output, mask, bytes);
      }
      output += output_row;
      continue;
    }
    if (across == 2) {
      const __m256i second = _mm512_extracti64x4_epi64(bytes, 1);
      if (whole) {
        _mm256_storeu_si256((__m256i *)output, _mm512_castsi512_si256(bytes));
        if (row + 1 < rows) _mm256_storeu_si256((__m256i *)(output + output_row), second);
      } else {
        _mm256_mask_storeu_epi8(output, (__mmask32)mask, _mm512_castsi512_si256(bytes));
        if (row + 1 < rows) _mm256_mask_storeu_epi8(output + output_row, (__mmask32)mask, second);
      }
      output += 2 * output_row;
      continue;
    }
    LANES_UNROLL for (int i = 0; i < 4; i++, output += output_row) {
      if (row + i < rows && whole) _mm_storeu_si128((__m128i *)output, _mm512_castsi512_si128(bytes));
      if (row + i < rows && !whole) _mm_mask_storeu_epi8(output, (__mmask16)mask, _mm512_castsi512_si128(bytes));
      bytes = _mm512_alignr_epi32(bytes, bytes, 4);
    }
  }
}
LANES_TARGET static void finish_plain(const apusk_integer_finish *f) {
  if (f->sums_row == 32) {
    finish_bytes(f, 2);
  } else if (f->sums_row == 16) {
    finish_bytes(f, 1);
  } else {
    finish_bytes(f, 4);
  }
}
#define FINISH_PLAIN finish_plain
#include "finish.h"

// Bytes are put together within 128-bit lanes; quads of 4 bytes are moved before, so that each vector has the quads of 16
// channels side by side.
LANES_INLINE __m512i quad_row(const uint8_t *x, lanes_int flip) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_xor_si512(_mm512_permutexvar_epi32(order, _mm512_loadu_si512(x)), (__m512i)flip);
}
LANES_INLINE void lanes_quads(const uint8_t *x0, const uint8_t *x1, const uint8_t *x2, const uint8_t *x3, lanes_int flip,
                              lanes_a *quads) {
  const __m512i r0 = quad_row(x0, flip), r1 = quad_row(x1, flip), r2 = quad_row(x2, flip), r3 = quad_row(x3, flip);
  const __m512i low01 = _mm512_unpacklo_epi8(r0, r1), high01 = _mm512_unpackhi_epi8(r0, r1);
  const __m512i low23 = _mm512_unpacklo_epi8(r2, r3), high23 = _mm512_unpackhi_epi8(r2, r3);
  quads[0] = _mm512_unpacklo_epi16(low01, low23);
  quads[1] = _mm512_unpackhi_epi16(low01, low23);
  quads[2] = _mm512_unpacklo_epi16(high01, high23);
  quads[3] = _mm512_unpackhi_epi16(high01, high23);
}
#define DEPTHWISE_VECTORS 4
#include "depthwise.h"

const apusk_integer_isa apusk_integer_isa_avx512vnni = {
    .rows = TILE_ROWS, .panels = TILE_PANELS, .multiplies_per_us = 200000, .tile = tile, .finish = finish,
    .depthwise = depthwise, .activate = apusk_activate_f32_avx512,
};
#endif
