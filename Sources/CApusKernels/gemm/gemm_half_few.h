// Template over a simd_*.h with HALF_LOAD(type, b, columns): a few rows against several panels (see apusk_half_few) whose
// elements are widened in registers. WIDE_VECTORS is nr / VL.
#include "gemm_half.h"

SIMD_INLINE void few_body(const apusk_half_few *f, const int type, const int rows, const int panels) {
  const float *a = f->a;
  const uint16_t *b = f->b;
  const int64_t a_row = f->a_row, a_k = f->a_k, panel_stride = f->panel_stride, c_row = f->c_row;
  float *c = f->c;
  int64_t left = f->k;
  bool add = false;
  do {
    vf sums[APUSK_HALF_PASS_ROWS][4 * WIDE_VECTORS];
    SIMD_UNROLL for (int i = 0; i < rows; i++) {
      SIMD_UNROLL for (int v = 0; v < panels * WIDE_VECTORS; v++) sums[i][v] = vzero();
    }
    int64_t chain = left < APUSK_GEMM_CHAIN ? left : APUSK_GEMM_CHAIN;
    left -= chain;
    for (; chain > 0; chain--) {
      SIMD_UNROLL for (int q = 0; q < panels; q++) {
        vf columns[WIDE_VECTORS];
        load_panel(type, b + q * panel_stride, columns);
        SIMD_UNROLL for (int i = 0; i < rows; i++) {
          const vf value = vset1(a[i * a_row]);
          SIMD_UNROLL for (int v = 0; v < WIDE_VECTORS; v++) {
            sums[i][q * WIDE_VECTORS + v] = vfma(value, columns[v], sums[i][q * WIDE_VECTORS + v]);
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

#define FEW_OF(index, type, rows, panels) \
  SIMD_TARGET static void type##_##rows##x##panels(const apusk_half_few *f) { few_body(f, index, rows, panels); }
#define FEW(rows, panels) FEW_OF(0, f16, rows, panels) FEW_OF(1, bf16, rows, panels)
