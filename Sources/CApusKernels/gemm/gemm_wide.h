// Template over a simd_*.h: one or two rows against several panels (see apusk_wide). WIDE_VECTORS is nr / VL.
#include "gemm_isa.h"

SIMD_INLINE void wide_body(const apusk_wide *w, const int rows, const int panels) {
  const float *a = w->a, *b = w->b;
  float *c = w->c;
  int64_t c_row = w->c_row;
  int64_t a_row = w->a_row, a_k = w->a_k, panel_stride = w->panel_stride;
  int64_t left = w->k;
  bool add = w->resume;
  do {
    vf sums[2][4 * WIDE_VECTORS];
    SIMD_UNROLL for (int i = 0; i < rows; i++) {
      SIMD_UNROLL for (int v = 0; v < panels * WIDE_VECTORS; v++) sums[i][v] = vzero();
    }
    int64_t chain = left < APUSK_GEMM_CHAIN ? left : APUSK_GEMM_CHAIN;
    left -= chain;
    for (; chain > 0; chain--) {
      vf value[2];
      SIMD_UNROLL for (int i = 0; i < rows; i++) value[i] = vset1(a[i * a_row]);
      SIMD_UNROLL for (int q = 0; q < panels; q++) {
        SIMD_UNROLL for (int v = 0; v < WIDE_VECTORS; v++) {
          vf column = vload(b + q * panel_stride + v * VL);
          SIMD_UNROLL for (int i = 0; i < rows; i++) {
            sums[i][q * WIDE_VECTORS + v] = vfma(value[i], column, sums[i][q * WIDE_VECTORS + v]);
          }
        }
      }
      a += a_k;
      b += WIDE_VECTORS * VL;
    }
    SIMD_UNROLL for (int i = 0; i < rows; i++) {
      SIMD_UNROLL for (int v = 0; v < panels * WIDE_VECTORS; v++) {
        float *at = c + i * c_row + v * VL;
        vstore(at, add ? vadd(vload(at), sums[i][v]) : sums[i][v]);
      }
    }
    add = true;
  } while (left > 0);
}

SIMD_TARGET static void wide_1x1(const apusk_wide *w) { wide_body(w, 1, 1); }
SIMD_TARGET static void wide_1x2(const apusk_wide *w) { wide_body(w, 1, 2); }
SIMD_TARGET static void wide_1x3(const apusk_wide *w) { wide_body(w, 1, 3); }
SIMD_TARGET static void wide_1x4(const apusk_wide *w) { wide_body(w, 1, 4); }
SIMD_TARGET static void wide_2x1(const apusk_wide *w) { wide_body(w, 2, 1); }
SIMD_TARGET static void wide_2x2(const apusk_wide *w) { wide_body(w, 2, 2); }

static void wide_any(const apusk_wide *w) {
  static void (*const one[4])(const apusk_wide *) = {wide_1x1, wide_1x2, wide_1x3, wide_1x4};
  static void (*const two[2])(const apusk_wide *) = {wide_2x1, wide_2x2};
  (w->rows == 1 ? one : two)[w->panels - 1](w);
}
