// Template over a simd_*.h: Winograd's transforms of the input and the output, as apusk_winograd_transforms.
#include <stddef.h>

#include "winograd.h"

// --- One dimension ---

// B^T d. For m = 4, with p and q the even and the odd part: value at +-a is p +- a q.
SIMD_INLINE void input_line(const int m, const vf *d, vf *t) {
  if (m == 2) {
    t[0] = vsub(d[0], d[2]);
    t[1] = vadd(d[1], d[2]);
    t[2] = vsub(d[2], d[1]);
    t[3] = vsub(d[1], d[3]);
    return;
  }
  const double a = APUSK_WINOGRAD_A, b = APUSK_WINOGRAD_B;
  const vf minus_a2 = vset1((float)-(a * a)), minus_b2 = vset1((float)-(b * b));
  const vf minus_sum = vset1((float)-(a * a + b * b)), product = vset1((float)(a * a * b * b));
  t[0] = vfma(product, d[0], vfma(minus_sum, d[2], d[4]));
  t[5] = vfma(product, d[1], vfma(minus_sum, d[3], d[5]));
  vf p = vfma(minus_b2, d[2], d[4]), q = vfma(minus_b2, d[1], d[3]);
  t[1] = vfma(vset1((float)a), q, p);
  t[2] = vfma(vset1((float)-a), q, p);
  p = vfma(minus_a2, d[2], d[4]), q = vfma(minus_a2, d[1], d[3]);
  t[3] = vfma(vset1((float)b), q, p);
  t[4] = vfma(vset1((float)-b), q, p);
}

// A^T t.
SIMD_INLINE void output_line(const int m, const vf *t, vf *y) {
  vf even = vadd(t[1], t[2]), odd = vsub(t[1], t[2]);
  if (m == 2) {
    y[0] = vadd(t[0], even);
    y[1] = vsub(odd, t[3]);
    return;
  }
  const double a = APUSK_WINOGRAD_A, b = APUSK_WINOGRAD_B;
  vf even_b = vadd(t[3], t[4]), odd_b = vsub(t[3], t[4]);
  y[0] = vadd(t[0], vadd(even, even_b));
  y[1] = vfma(vset1((float)b), odd_b, vmul(vset1((float)a), odd));
  y[2] = vfma(vset1((float)(b * b)), even_b, vmul(vset1((float)(a * a)), even));
  y[3] = vfma(vset1((float)(b * b * b)), odd_b, vfma(vset1((float)(a * a * a)), odd, t[5]));
}

// --- A tile ---

SIMD_INLINE void input_tile(const int m, const apusk_winograd_input *tile) {
  const int n = m + 2;
  for (int64_t c = 0; c < tile->channels; c += VL) {
    const int64_t left = tile->channels - c;
    vf lines[6][6], line[6], values[6];  // lines[j]: column j of the tile, transformed
    for (int j = 0; j < n; j++) {
      if (left >= VL) {
        SIMD_UNROLL for (int i = 0; i < n; i++) line[i] = vload(tile->pixels[i * n + j] + c);
      } else {
        SIMD_UNROLL for (int i = 0; i < n; i++) line[i] = vload_n(tile->pixels[i * n + j] + c, left);
      }
      input_line(m, line, lines[j]);
    }
    float *v = tile->v + c;
    for (int i = 0; i < n; i++) {
      SIMD_UNROLL for (int j = 0; j < n; j++) line[j] = lines[j][i];
      input_line(m, line, values);
      SIMD_UNROLL for (int j = 0; j < n; j++) {
        vstore(v, values[j]);
        v += tile->v_point;
      }
    }
  }
}

SIMD_INLINE void output_tile(const int m, const apusk_winograd_output *tile) {
  const int n = m + 2;
  const int64_t channels = tile->channels, rows = tile->rows, columns = tile->columns;
  const int64_t y_pixel = tile->y_pixel, residual_pixel = tile->residual_pixel;
  const vf low = vset1(tile->low), high = vset1(tile->high);
  for (int64_t c = 0; c < channels; c += VL) {
    const int64_t left = channels - c;
    vf lines[6][4], line[6], values[4];  // lines[j]: column j of the points, transformed
    for (int j = 0; j < n; j++) {
      const float *sums = tile->sums + j * tile->sums_point + c;
      SIMD_UNROLL for (int i = 0; i < n; i++) line[i] = vload(sums + i * n * tile->sums_point);
      output_line(m, line, lines[j]);
    }
    vf bias = vset1(-0.0f);  // v + -0 is v, whatever v is
    if (tile->bias) bias = left >= VL ? vload(tile->bias + c) : vload_n(tile->bias + c, left);
    for (int i = 0; i < rows; i++) {
      SIMD_UNROLL for (int j = 0; j < n; j++) line[j] = lines[j][i];
      output_line(m, line, values);
      float *y = tile->y + i * tile->y_row + c;
      const float *residual = tile->residual ? tile->residual + i * tile->residual_row + c : NULL;
      for (int j = 0; j < columns; j++) {
        vf v = vadd(values[j], bias);
        if (residual) {
          v = vadd(v, left >= VL ? vload(residual) : vload_n(residual, left));
          residual += residual_pixel;
        }
        v = vlower(vraise(v, low), high);
        if (left >= VL) {
          vstore(y, v);
        } else {
          vstore_n(y, v, left);
        }
        y += y_pixel;
      }
    }
  }
}

SIMD_TARGET static void winograd_input_2(const apusk_winograd_input *tile) { input_tile(2, tile); }
SIMD_TARGET static void winograd_input_4(const apusk_winograd_input *tile) { input_tile(4, tile); }
SIMD_TARGET static void winograd_output_2(const apusk_winograd_output *tile) { output_tile(2, tile); }
SIMD_TARGET static void winograd_output_4(const apusk_winograd_output *tile) { output_tile(4, tile); }
