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

// What ends 8-bit results. Signed ones are found as unsigned ones, 128 larger, and turned at last.
typedef struct byte_tail {
  __m512i zeros, low, high, flip, order;
} byte_tail;

LANES_INLINE byte_tail byte_tail_of(const apusk_integer_finish *f) {
  const apusk_integer_tail *tail = f->tail;
  const int32_t shift = tail->output_type == APUSK_INT8 ? 128 : 0;
  const int32_t zero = f->residual ? tail->residual_zero : f->y_zero;
  const int32_t low = f->residual ? tail->residual_low : tail->low, high = f->residual ? tail->residual_high : tail->high;
  return (byte_tail){
      _mm512_set1_epi16((int16_t)(zero + shift)), _mm512_set1_epi8((char)(low + shift)),
      _mm512_set1_epi8((char)(high + shift)), _mm512_set1_epi8((char)shift),
      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
  };
}

// Sums to integers next to them times their scales. None is far from the ends of int32, where the conversion would fail.
LANES_INLINE __m512i scaled(lanes_int sum, const float *scale) {
  return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps((__m512i)sum), _mm512_load_ps(scale)));
}

// Four vectors to 64 bytes in order: packing narrows, and keeps in range what bounds then narrow further.
LANES_INLINE __m512i packed_bytes(const byte_tail *t, const __m512i *q) {
  const __m512i words0 = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), t->zeros);
  const __m512i words1 = _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), t->zeros);
  const __m512i bytes = _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(words0, words1), t->low), t->high);
  return _mm512_xor_si512(_mm512_permutexvar_epi32(t->order, bytes), t->flip);
}

// Whole rows of two panels, from where they were summed.
LANES_INLINE void finish_pairs(const apusk_integer_finish *f, lanes_int (*sums)[2], const int rows) {
  const byte_tail tail = byte_tail_of(f);
  const float *scale = f->columns->scale;
  uint8_t *output = f->output;
  LANES_UNROLL for (int i = 0; i < rows; i += 2, output += 2 * f->output_row) {
    const int next = i + 1 < rows ? i + 1 : i;
    const __m512i q[4] = {scaled(sums[i][0], scale), scaled(sums[i][1], scale + 16), scaled(sums[next][0], scale),
                          scaled(sums[next][1], scale + 16)};
    const __m512i bytes = packed_bytes(&tail, q);
    _mm256_storeu_si256((__m256i *)output, _mm512_castsi512_si256(bytes));
    if (i + 1 < rows) _mm256_storeu_si256((__m256i *)(output + f->output_row), _mm512_extracti64x4_epi64(bytes, 1));
  }
}

#define TILE_ROWS 12
#define TILE_PANELS 2
#define TILE_FINISH finish_pairs
#include "tile.h"

// What joins 8-bit results with those of a residual.
typedef struct byte_residual {
  __m512i low, high, from_zero, zero;
  __m512 factor_a, factor_b;
  __m128i flip;
} byte_residual;

LANES_INLINE byte_residual byte_residual_of(const apusk_integer_finish *f) {
  const apusk_integer_tail *tail = f->tail;
  const int32_t shift = tail->output_type == APUSK_INT8 ? 128 : 0;
  return (byte_residual){
      _mm512_set1_epi32(tail->low - f->y_zero), _mm512_set1_epi32(tail->high - f->y_zero),
      _mm512_set1_epi32(f->y_zero - tail->zero_a), _mm512_set1_epi32(tail->zero_b + shift), _mm512_set1_ps(tail->factor_a),
      _mm512_set1_ps(tail->factor_b), _mm_set1_epi8((char)shift),
  };
}

// Integers from their zero point, in bounds, and a residual's bytes to those of their sum.
LANES_INLINE __m512i with_residual(const byte_residual *r, __m512i q, __m128i bytes) {
  q = _mm512_add_epi32(_mm512_min_epi32(_mm512_max_epi32(q, r->low), r->high), r->from_zero);
  const __m512i other = _mm512_sub_epi32(_mm512_cvtepu8_epi32(_mm_xor_si128(bytes, r->flip)), r->zero);
  return _mm512_cvtps_epi32(_mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(q), r->factor_a),
                                          _mm512_mul_ps(_mm512_cvtepi32_ps(other), r->factor_b)));
}

// `across` vectors of a row side by side, four at a time.
LANES_INLINE void finish_bytes(const apusk_integer_finish *f, const int across) {
  const byte_tail tail = byte_tail_of(f);
  const __mmask64 mask = f->count >= 64 ? ~0ull : (1ull << f->count) - 1;
  const int64_t rows = f->rows, output_row = f->output_row;
  const bool whole = f->count == 16 * across;
  const int32_t *sums = f->sums;
  uint8_t *output = f->output;
  const uint8_t *residual = f->residual;
  byte_residual joined = {0};
  if (residual) joined = byte_residual_of(f);
  for (int64_t row = 0; row < rows; row += 4 / across, sums += 64) {
    __m512i q[4];
    LANES_UNROLL for (int i = 0; i < 4; i++) {
      q[i] = scaled(lanes_load(sums + 16 * i), f->columns->scale + i % across * 16);
      if (!residual || row + i / across >= rows) continue;
      const __mmask16 some = (__mmask16)(mask >> (i % across * 16));
      q[i] = with_residual(&joined, q[i], _mm_maskz_loadu_epi8(some, residual + i / across * output_row + i % across * 16));
    }
    if (residual) residual += 4 / across * output_row;
    __m512i bytes = packed_bytes(&tail, q);
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

#include "quantize.h"

const apusk_integer_isa apusk_integer_isa_avx512vnni = {
    .rows = TILE_ROWS, .panels = TILE_PANELS, .finishes_pairs = true, .multiplies_per_us = 200000, .tile = tile, .finish = finish,
    .depthwise = depthwise, .quantize = quantize, .activate = apusk_activate_f32_avx512,
};
#endif
