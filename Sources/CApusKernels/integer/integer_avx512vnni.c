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

// Sums to integers next to them times their scales. None is far from the ends of int32, where the conversion would fail.
LANES_INLINE __m512i scaled(__m512i sum, const float *scale) {
  return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_load_ps(scale)));
}

// Four vectors to 64 bytes, by lanes of 128 bits: packing narrows, and keeps in range what bounds then narrow further. `bare`:
// there is nothing but the range.
LANES_INLINE __m512i narrowed(const apusk_integer_byte_tail *t, __m512i flip, const __m512i *q, bool bare) {
  __m512i words0 = _mm512_packs_epi32(q[0], q[1]), words1 = _mm512_packs_epi32(q[2], q[3]);
  if (bare) return _mm512_packus_epi16(words0, words1);
  const __m512i zeros = _mm512_load_si512(t->zeros);
  words0 = _mm512_adds_epi16(words0, zeros);
  words1 = _mm512_adds_epi16(words1, zeros);
  __m512i bytes = _mm512_max_epu8(_mm512_packus_epi16(words0, words1), _mm512_load_si512(t->low));
  bytes = _mm512_min_epu8(bytes, _mm512_load_si512(t->high));
  return _mm512_xor_si512(bytes, flip);
}
LANES_INLINE bool is_bare(const apusk_integer_finish *f) {
  const apusk_integer_tail *tail = f->tail;
  return f->y_zero == 0 && tail->low == 0 && tail->high == 255;
}

// In order.
LANES_INLINE __m512i packed_bytes(const apusk_integer_byte_tail *t, __m512i flip, const __m512i *q, bool bare) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, narrowed(t, flip, q, bare));
}

// Whole rows of two panels, from where they were summed, but for a residual.
LANES_INLINE void finish_pairs(const apusk_integer_finish *f, lanes_int (*sums)[2], const int rows) {
  // A copy: stores of bytes do not reach it.
  const apusk_integer_byte_tail tail = f->bytes->own;
  const __m512i flip = _mm512_load_si512(f->bytes->flip);
  const float *scale = f->columns->scale;
  uint8_t *output = f->output;
  const bool bare = is_bare(f);
  LANES_UNROLL for (int i = 0; i < rows; i += 2, output += 2 * f->output_row) {
    const int next = i + 1 < rows ? i + 1 : i;
    const __m512i q[4] = {scaled((__m512i)sums[i][0], scale), scaled((__m512i)sums[i][1], scale + 16),
                          scaled((__m512i)sums[next][0], scale), scaled((__m512i)sums[next][1], scale + 16)};
    const __m512i bytes = packed_bytes(&tail, flip, q, bare);
    _mm256_storeu_si256((__m256i *)output, _mm512_castsi512_si256(bytes));
    if (i + 1 < rows) _mm256_storeu_si256((__m256i *)(output + f->output_row), _mm512_extracti64x4_epi64(bytes, 1));
  }
}

// 16 unsigned bytes of a result and of its residual to the integers of their sum.
LANES_INLINE __m512i joined(const apusk_integer_bytes *t, const apusk_integer_tail *tail, __m128i own, __m128i other) {
  const __m512i a = _mm512_sub_epi32(_mm512_cvtepu8_epi32(own), _mm512_set1_epi32(t->zero_a));
  const __m512i b = _mm512_sub_epi32(_mm512_cvtepu8_epi32(other), _mm512_set1_epi32(t->zero_b));
  return _mm512_cvtps_epi32(_mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(a), _mm512_set1_ps(tail->factor_a)),
                                          _mm512_mul_ps(_mm512_cvtepi32_ps(b), _mm512_set1_ps(tail->factor_b))));
}

// 16 bytes less a zero point, times a factor.
LANES_INLINE __m512 share_of(const uint8_t *bytes, bool is_signed, int32_t zero, float factor) {
  const __m128i some = _mm_loadu_si128((const __m128i *)(const void *)bytes);
  const __m512i words = is_signed ? _mm512_cvtepi8_epi32(some) : _mm512_cvtepu8_epi32(some);
  return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(words, _mm512_set1_epi32(zero))), _mm512_set1_ps(factor));
}

// A row's 32 results in its output, with their residual. Beside products each instruction counts.
LANES_INLINE void join_row(const apusk_integer_tail *t, uint8_t *output, const uint8_t *residual) {
  const bool is_signed = t->output_type == APUSK_INT8, bare = t->residual_zero == 0 && t->residual_high == 255;
  LANES_UNROLL for (int v = 0; v < 2; v++, output += 16, residual += 16) {
    const __m512 own = share_of(output, is_signed, t->zero_a, t->factor_a);
    __m512i q = _mm512_cvtps_epi32(_mm512_add_ps(own, share_of(residual, is_signed, t->zero_b, t->factor_b)));
    if (!bare) {
      q = _mm512_add_epi32(q, _mm512_set1_epi32(t->residual_zero));
      q = _mm512_min_epi32(q, _mm512_set1_epi32(t->residual_high));
    }
    q = _mm512_max_epi32(q, _mm512_set1_epi32(t->residual_low));
    // No constant kept: there are no registers for more.
    __asm__ volatile("" : "+v"(q) : : "memory");
    __m128i bytes = _mm512_cvtepi32_epi8(q);
    if (bare) bytes = _mm512_cvtusepi32_epi8(q);
    _mm_storeu_si128((__m128i *)(void *)output, bytes);
  }
}

// Ends a row of two panels: float32, or 8 bits with their residual. Returns NULL after the last one. Constants come from memory:
// registers are the products'.
LANES_INLINE apusk_integer_finish *end_row(apusk_integer_finish *f) {
  const apusk_integer_columns *columns = f->columns;
  if (f->residual) {
    uint8_t *output = f->output;
    join_row(f->tail, output, f->residual);
    f->output = output + f->output_row;
    f->residual = (const uint8_t *)f->residual + f->output_row;
    return --f->rows > 0 ? f : NULL;
  }
  const __m512i *sums = (const __m512i *)(const void *)f->sums;
  float *output = f->output;
  LANES_UNROLL for (int v = 0; v < 2; v++) {
    __m512i sum = sums[v];
    __m512 factor = _mm512_load_ps(columns->scale + 16 * v);
    if (f->row_zeros) {
      const __m512i total = _mm512_load_si512(columns->total + 16 * v);
      sum = _mm512_sub_epi32(sum, _mm512_mullo_epi32(total, _mm512_set1_epi32(*f->row_zeros)));
    }
    if (f->row_scales) factor = _mm512_mul_ps(factor, _mm512_set1_ps(*f->row_scales));
    const __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), factor);
    _mm512_storeu_ps(output + 16 * v, _mm512_add_ps(value, _mm512_load_ps(columns->bias + 16 * v)));
  }
  f->output = output + f->output_row;
  if (f->row_zeros) f->row_zeros++;
  if (f->row_scales) f->row_scales++;
  f->sums += 32;
  return --f->rows > 0 ? f : NULL;
}

#define TILE_ROWS 12
#define TILE_PANELS 2
#define TILE_FINISH finish_pairs
#define TILE_ENDS_ROW end_row
#include "tile.h"

// `across` vectors of a row side by side, four at a time.
LANES_INLINE void finish_bytes(const apusk_integer_finish *f, const int across) {
  // Copies, which stores of bytes do not reach.
  const apusk_integer_bytes all = *f->bytes;
  const apusk_integer_tail join = {.factor_a = f->tail->factor_a, .factor_b = f->tail->factor_b};
  const __m512i flip = _mm512_load_si512(all.flip);
  const __mmask64 mask = f->count >= 64 ? ~0ull : (1ull << f->count) - 1;
  const int64_t rows = f->rows, output_row = f->output_row;
  const bool whole = f->count == 16 * across;
  const int32_t *sums = f->sums;
  uint8_t *output = f->output;
  const uint8_t *residual = f->residual;
  for (int64_t row = 0; row < rows; row += 4 / across, sums += 64) {
    __m512i q[4];
    LANES_UNROLL for (int i = 0; i < 4; i++) {
      q[i] = scaled((__m512i)lanes_load(sums + 16 * i), f->columns->scale + i % across * 16);
    }
    __m512i bytes = packed_bytes(&all.own, residual ? _mm512_setzero_si512() : flip, q, false);
    if (residual) {
      LANES_UNROLL for (int i = 0; i < 4; i++) {
        const __mmask16 some = row + i / across < rows ? (__mmask16)(mask >> (i % across * 16)) : 0;
        const __m128i other = _mm_maskz_loadu_epi8(some, residual + i / across * output_row + i % across * 16);
        q[i] = joined(&all, &join, _mm512_castsi512_si128(bytes), _mm_xor_si128(other, _mm512_castsi512_si128(flip)));
        bytes = _mm512_alignr_epi32(bytes, bytes, 4);
      }
      bytes = packed_bytes(&all.joined, flip, q, false);
      residual += 4 / across * output_row;
    }
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

// 64 words in the order in which unpacking leaves channels, and narrowing takes them: by lanes of 128 bits, the first of each
// vector, then the second of each.
LANES_INLINE void load_turned(const void *words, __m512i *turned) {
  const __m512i *v = words;
  const __m512i a = _mm512_loadu_si512(v), b = _mm512_loadu_si512(v + 1), c = _mm512_loadu_si512(v + 2);
  const __m512i d = _mm512_loadu_si512(v + 3);
  const __m512i even0 = _mm512_shuffle_i32x4(a, b, 0x88), even1 = _mm512_shuffle_i32x4(c, d, 0x88);
  const __m512i odd0 = _mm512_shuffle_i32x4(a, b, 0xdd), odd1 = _mm512_shuffle_i32x4(c, d, 0xdd);
  turned[0] = _mm512_shuffle_i32x4(even0, even1, 0x88);
  turned[1] = _mm512_shuffle_i32x4(odd0, odd1, 0x88);
  turned[2] = _mm512_shuffle_i32x4(even0, even1, 0xdd);
  turned[3] = _mm512_shuffle_i32x4(odd0, odd1, 0xdd);
}

// The quads of a column's 64 channels, in that order.
LANES_INLINE void turned_quads(const apusk_integer_depthwise *d, int64_t column, __m512i flip, __m512i *quads) {
  if (column < d->left || column >= d->right) {
    LANES_UNROLL for (int v = 0; v < 4; v++) quads[v] = _mm512_set1_epi8((char)d->outside);
    return;
  }
  const uint8_t *x = d->x + column * d->x_pixel;
  __m512i rows[4];
  LANES_UNROLL for (int i = 0; i < 4; i++) {
    rows[i] = _mm512_loadu_si512(x);
    if (d->second) rows[i] = _mm512_mask_broadcast_i64x4(rows[i], 0xF0, _mm256_loadu_si256((const __m256i *)(x + d->second)));
    rows[i] = _mm512_xor_si512(rows[i], flip);
    // Rows beyond the kernel have weights of 0.
    if (i + 1 < d->kh) x += d->x_row;
  }
  const __m512i low01 = _mm512_unpacklo_epi8(rows[0], rows[1]), high01 = _mm512_unpackhi_epi8(rows[0], rows[1]);
  const __m512i low23 = _mm512_unpacklo_epi8(rows[2], rows[3]), high23 = _mm512_unpackhi_epi8(rows[2], rows[3]);
  quads[0] = _mm512_unpacklo_epi16(low01, low23);
  quads[1] = _mm512_unpackhi_epi16(low01, low23);
  quads[2] = _mm512_unpacklo_epi16(high01, high23);
  quads[3] = _mm512_unpackhi_epi16(high01, high23);
}

// Each column of the input, as it comes, is a tap of the pixels that see it: `next` has the first, `sums` the two first ones.
LANES_INLINE void depthwise_pixels_bytes(const apusk_integer_depthwise *d, const apusk_integer_finish *f, const int stride) {
  const apusk_integer_byte_tail tail = f->bytes->own;
  const __m512i out_flip = _mm512_load_si512(f->bytes->flip), flip = _mm512_loadu_si512(d->flip);
  const bool bare = is_bare(f);
  const __mmask64 mask = f->count >= 64 ? ~0ull : (1ull << f->count) - 1;
  uint8_t *output = f->output;
  int64_t column = 0;
  __m512i w[3][4], start[4], scale[4], sums[4], next[4], quads[4];
  for (int kx = 0; kx < 3; kx++) load_turned(d->w + kx * d->w_tap, w[kx]);
  load_turned(d->start, start);
  load_turned(f->columns->scale, scale);
  LANES_UNROLL for (int v = 0; v < 4; v++) sums[v] = next[v] = start[v];
  for (int64_t pixel = stride == 1 ? -2 : -1; pixel < d->pixels; pixel++) {
    if (stride == 2 && pixel >= 0) {
      turned_quads(d, column++, flip, quads);
      LANES_UNROLL for (int v = 0; v < 4; v++) sums[v] = _mm512_dpbusd_epi32(sums[v], quads[v], w[1][v]);
    }
    __m512i done[4];
    turned_quads(d, column++, flip, quads);
    LANES_UNROLL for (int v = 0; v < 4; v++) {
      done[v] = _mm512_dpbusd_epi32(sums[v], quads[v], w[2][v]);
      if (stride == 1) {
        sums[v] = _mm512_dpbusd_epi32(next[v], quads[v], w[1][v]);
        next[v] = _mm512_dpbusd_epi32(start[v], quads[v], w[0][v]);
      } else {
        sums[v] = _mm512_dpbusd_epi32(start[v], quads[v], w[0][v]);
      }
    }
    if (pixel < 0) continue;
    LANES_UNROLL for (int v = 0; v < 4; v++) {
      done[v] = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(done[v]), _mm512_castsi512_ps(scale[v])));
    }
    const __m512i bytes = narrowed(&tail, out_flip, done, bare);
    if (f->count == 64) {
      _mm512_storeu_si512(output, bytes);
    } else if (d->second) {
      _mm256_mask_storeu_epi8(output, (__mmask32)mask, _mm512_castsi512_si256(bytes));
      _mm256_mask_storeu_epi8(output + d->output_second, (__mmask32)mask, _mm512_extracti64x4_epi64(bytes, 1));
    } else {
      _mm512_mask_storeu_epi8(output, mask, bytes);
    }
    output += f->output_row;
  }
}
LANES_TARGET static void depthwise_bytes(const apusk_integer_depthwise *d, const apusk_integer_finish *f) {
  if (d->stride == 1) {
    depthwise_pixels_bytes(d, f, 1);
  } else {
    depthwise_pixels_bytes(d, f, 2);
  }
}

LANES_INLINE bool is_sure(lanes_float v) {
  const __m512 rest = _mm512_sub_ps(v, _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  return _mm512_cmp_ps_mask(_mm512_abs_ps(rest), _mm512_set1_ps(0.5f - 0x1p-12f), _CMP_GT_OQ) == 0;
}
#define QUANTIZE_IS_SURE is_sure
#include "quantize.h"

const apusk_integer_isa apusk_integer_isa_avx512vnni = {
    .rows = TILE_ROWS, .panels = TILE_PANELS, .finishes_pairs = true, .multiplies_per_us = 200000, .tile = tile, .finish = finish,
    .depthwise = depthwise, .depthwise_bytes = depthwise_bytes, .quantize = quantize, .activate = apusk_activate_f32_avx512,
};
#endif
