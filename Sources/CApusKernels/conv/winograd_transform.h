// Template over a simd_*.h: Winograd's transforms of the input and the output, as apusk_winograd_transforms.
#include <stddef.h>

#include "winograd.h"

// --- One dimension ---

// B^T d. With p and q the even and the odd part of a pair of points +-a, their values are p +- a q.
SIMD_INLINE void input_line(const int m, const float *f, const vf *d, vf *t) {
  SIMD_UNROLL for (int end = 0; end < 2; end++) {
    vf sum = d[m + end];
    SIMD_UNROLL for (int i = m / 2 - 1; i >= 0; i--) sum = vfma(vset1(f[i]), d[2 * i + end], sum);
    t[end] = sum;
  }
  f += m / 2;
  SIMD_UNROLL for (int pair = 1; pair <= m / 2; pair++) {
    vf p = d[m], q = d[m - 1];
    SIMD_UNROLL for (int i = m / 2 - 1; i >= 1; i--) {
      p = vfma(vset1(f[i - 1]), d[2 * i], p);
      q = vfma(vset1(f[i - 1]), d[2 * i - 1], q);
    }
    f += m / 2 - 1;
    t[2 * pair] = vfma(vset1(f[0]), q, p);
    t[2 * pair + 1] = vfma(vset1(f[1]), q, p);
    f += 2;
  }
}

// A^T t.
SIMD_INLINE void output_line(const int m, const float *f, const vf *t, vf *y) {
  vf parts[2][3];  // even and odd, of each pair of points
  SIMD_UNROLL for (int i = 0; i < m / 2; i++) {
    parts[0][i] = vadd(t[2 + 2 * i], t[3 + 2 * i]);
    parts[1][i] = vsub(t[2 + 2 * i], t[3 + 2 * i]);
  }
  SIMD_UNROLL for (int k = 0; k < m; k++) {
    const vf *part = parts[k % 2];
    vf sum = k == m - 1 ? vfma(vset1(f[1 + k]), part[0], t[1]) : vmul(vset1(f[1 + k]), part[0]);
    SIMD_UNROLL for (int i = 1; i < m / 2; i++) sum = vfma(vset1(f[1 + i * m + k]), part[i], sum);
    y[k] = k == 0 ? vfma(vset1(f[0]), t[0], sum) : sum;
  }
}

// --- A tile of 16, 8 or 1 channels ---

SIMD_INLINE vf load_left(const float *p, int64_t left) { return left >= VL ? vload(p) : vload_n(p, left); }

SIMD_INLINE void store_left(float *p, vf v, int64_t left) {
  if (left >= VL) {
    vstore(p, v);
  } else {
    vstore_n(p, v, left);
  }
}

// Pixels of a tile that is m outputs high, columns transformed: lines[j] is column j.
SIMD_INLINE void input_columns(const int m, const apusk_winograd_input *tile, int64_t c, vf (*lines)[8]) {
  const int64_t left = tile->channels - c;
  for (int j = 0; j < tile->row->m + 2; j++) {
    vf line[8];
    if (left >= VL) {
      SIMD_UNROLL for (int i = 0; i < m + 2; i++) line[i] = vload(tile->pixels[j][i] + c);
    } else {
      SIMD_UNROLL for (int i = 0; i < m + 2; i++) line[i] = vload_n(tile->pixels[j][i] + c, left);
    }
    input_line(m, tile->column->input, line, lines[j]);
  }
}

// The rows of a tile that is m outputs wide.
SIMD_INLINE void input_rows(const int m, const apusk_winograd_input *tile, int64_t c, vf (*lines)[8]) {
  for (int i = 0; i < tile->column->m + 2; i++) {
    vf line[8], values[8];
    SIMD_UNROLL for (int j = 0; j < m + 2; j++) line[j] = lines[j][i];
    input_line(m, tile->row->input, line, values);
    float *v = tile->v + i * tile->v_row + c;
    SIMD_UNROLL for (int j = 0; j < m + 2; j++) vstore(v + j * tile->v_point, values[j]);
  }
}

SIMD_TARGET static void winograd_input(const apusk_winograd_input *tile) {
  for (int64_t c = 0; c < tile->channels; c += VL) {
    vf lines[8][8];
    if (tile->column->m == 6) input_columns(6, tile, c, lines);
    else if (tile->column->m == 4) input_columns(4, tile, c, lines);
    else input_columns(2, tile, c, lines);
    if (tile->row->m == 6) input_rows(6, tile, c, lines);
    else if (tile->row->m == 4) input_rows(4, tile, c, lines);
    else input_rows(2, tile, c, lines);
  }
}

// Points of a tile that is m outputs high, columns transformed.
SIMD_INLINE void output_columns(const int m, const apusk_winograd_output *tile, int64_t c, vf (*lines)[8]) {
  for (int j = 0; j < tile->row->m + 2; j++) {
    vf line[8];
    const float *sums = tile->sums + j * tile->sums_point + c;
    SIMD_UNROLL for (int i = 0; i < m + 2; i++) line[i] = vload(sums + i * tile->sums_row);
    output_line(m, tile->column->output, line, lines[j]);
  }
}

// The rows of a tile that is m outputs wide, finished.
SIMD_INLINE void output_rows(const int m, const apusk_winograd_output *tile, int64_t c, vf (*lines)[8]) {
  const int64_t left = tile->channels - c, columns = tile->columns;
  const vf low = vset1(tile->low), high = vset1(tile->high);
  vf bias = vset1(-0.0f);  // v + -0 is v, whatever v is
  if (tile->bias) bias = load_left(tile->bias + c, left);
  for (int i = 0; i < tile->rows; i++) {
    vf line[8], values[8];
    SIMD_UNROLL for (int j = 0; j < m + 2; j++) line[j] = lines[j][i];
    output_line(m, tile->row->output, line, values);
    float *y = tile->y + i * tile->y_row + c;
    const float *residual = tile->residual ? tile->residual + i * tile->residual_row + c : NULL;
    for (int j = 0; j < columns; j++) {
      vf v = vadd(values[j], bias);
      if (residual) {
        v = vadd(v, load_left(residual, left));
        residual += tile->residual_pixel;
      }
      store_left(y, vlower(vraise(v, low), high), left);
      y += tile->y_pixel;
    }
  }
}

SIMD_TARGET static void winograd_output(const apusk_winograd_output *tile) {
  for (int64_t c = 0; c < tile->channels; c += VL) {
    vf lines[8][8];
    if (tile->column->m == 6) output_columns(6, tile, c, lines);
    else if (tile->column->m == 4) output_columns(4, tile, c, lines);
    else output_columns(2, tile, c, lines);
    if (tile->row->m == 6) output_rows(6, tile, c, lines);
    else if (tile->row->m == 4) output_rows(4, tile, c, lines);
    else output_rows(2, tile, c, lines);
  }
}

SIMD_TARGET static void winograd_pool(const apusk_winograd_pool *tile) {
  for (int64_t i = 0; i < tile->rows; i++) {
    for (int64_t j = 0; j < tile->columns; j++) {
      const float *x = tile->source + 2 * (i * tile->source_row + j * tile->source_pixel);
      for (int64_t c = 0; c < tile->channels; c += VL) {
        const int64_t left = tile->channels - c;
        vf most = load_left(x + c, left);
        SIMD_UNROLL for (int k = 1; k < 4; k++) {
          most = vmost(most, load_left(x + (k & 1) * tile->source_pixel + (k >> 1) * tile->source_row + c, left));
        }
        store_left(tile->y + i * tile->y_row + j * tile->y_pixel + c, most, left);
      }
    }
  }
}
