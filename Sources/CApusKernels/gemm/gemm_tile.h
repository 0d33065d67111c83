// Template: the micro-kernels of one width, rows 1 ... TILE_MR, as the table TILE_TABLE. May be included several times.
//
// TILE_TABLE    name of the table
// TILE_MR       6, 7 or 14
// TILE_VECTORS  vectors across
// TILE_VL, TILE_V, TILE_MM(operation): the vector, its type, its intrinsics
//
// Kernels of one vector also do a part of a wider panel.
#include <math.h>

#include "gemm_isa.h"

#define TILE_PASTE_(a, b) a##b
#define TILE_PASTE(a, b) TILE_PASTE_(a, b)
#define TILE_NAME(suffix) TILE_PASTE(TILE_TABLE, suffix)

// sums[i][v] = expression, of `sum` and i and v.
#define TILE_EACH(expression)                                              \
  SIMD_UNROLL for (int i = 0; i < rows; i++) {                             \
    SIMD_UNROLL for (int v = 0; v < TILE_VECTORS; v++) {                   \
      TILE_V sum = sums[i][v];                                             \
      sums[i][v] = (expression);                                           \
    }                                                                      \
  }

SIMD_INLINE void TILE_NAME(_body)(const apusk_tile *t, const int rows) {
  // Totals between chains: rows of C often fall into one set of the L1 cache.
  _Alignas(64) float totals[TILE_MR * TILE_VECTORS * TILE_VL];
  TILE_V sums[TILE_MR][TILE_VECTORS];
  const float *b = t->b;
  const int64_t a_row = t->a_row, ahead_step = t->ahead_step, b_row = TILE_VECTORS > 1 ? TILE_VECTORS * TILE_VL : t->width;
  const char *ahead = t->ahead ? t->ahead : (const char *)b;
  const float *y = t->a;
  int64_t x = t->first_x, rest = t->run - t->first_p;
  const float *a = y + x * t->a_x + t->first_p;
  int64_t left = t->depth;
  const float *from = t->resume ? t->c : NULL;
  int64_t from_row = t->c_row;
  do {
    int64_t chain = left < APUSK_GEMM_CHAIN ? left : APUSK_GEMM_CHAIN;
    left -= chain;
    SIMD_UNROLL for (int i = 0; i < rows; i++) {
      SIMD_UNROLL for (int v = 0; v < TILE_VECTORS; v++) sums[i][v] = TILE_MM(setzero)();
    }
    while (chain > 0) {
      const int64_t count = rest < chain ? rest : chain;
      for (const float *end = a + count; a != end; a++) {
        TILE_V columns[TILE_VECTORS];
        SIMD_UNROLL for (int v = 0; v < TILE_VECTORS; v++) columns[v] = TILE_MM(loadu)(b + v * TILE_VL);
        SIMD_UNROLL for (int i = 0; i < rows; i++) {
          TILE_V value = TILE_MM(set1)(a[i * a_row]);
          SIMD_UNROLL for (int v = 0; v < TILE_VECTORS; v++) sums[i][v] = TILE_MM(fmadd)(value, columns[v], sums[i][v]);
        }
        b += b_row;
        if (TILE_VECTORS * TILE_VL > 8) {  // the narrowest loads as much as it can already
          __builtin_prefetch(ahead, 0, 2);
          ahead += ahead_step;
        }
      }
      chain -= count;
      rest -= count;
      if (rest == 0) {
        rest = t->run;
        if (++x == t->runs_x) {
          x = 0;
          y += t->a_y;
        }
        a = y + x * t->a_x;
      }
    }
    float *to = left > 0 ? totals : t->c;
    const int64_t to_row = left > 0 ? TILE_VECTORS * TILE_VL : t->c_row;
    if (from) TILE_EACH(TILE_MM(add)(TILE_MM(loadu)(from + i * from_row + v * TILE_VL), sum))
    if (left == 0 && t->end) {
      const apusk_tile_end *end = t->end;
      TILE_V bias[TILE_VECTORS];
      SIMD_UNROLL for (int v = 0; v < TILE_VECTORS; v++) {
        // x + -0 is x, whatever x is.
        bias[v] = end->bias ? TILE_MM(loadu)(end->bias + v * TILE_VL) : TILE_MM(set1)(-0.0f);
      }
      TILE_EACH(TILE_MM(add)(sum, bias[v]))
      if (end->residual) {
        TILE_EACH(TILE_MM(add)(sum, TILE_MM(loadu)(end->residual + i * end->residual_row + v * TILE_VL)))
      }
      // For NaN and for equal zeros these give their second operand.
      if (end->low > -INFINITY) {
        const TILE_V low = TILE_MM(set1)(end->low);
        TILE_EACH(TILE_MM(max)(low, sum))
      }
      if (end->high < INFINITY) {
        const TILE_V high = TILE_MM(set1)(end->high);
        TILE_EACH(TILE_MM(min)(high, sum))
      }
    }
    SIMD_UNROLL for (int i = 0; i < rows; i++) {
      SIMD_UNROLL for (int v = 0; v < TILE_VECTORS; v++) TILE_MM(storeu)(to + i * to_row + v * TILE_VL, sums[i][v]);
    }
    from = totals;
    from_row = TILE_VECTORS * TILE_VL;
  } while (left > 0);
}

#define TILE_ROWS(n) \
  SIMD_TARGET static void TILE_NAME(_##n)(const apusk_tile *t) { TILE_NAME(_body)(t, n); }
TILE_ROWS(1) TILE_ROWS(2) TILE_ROWS(3) TILE_ROWS(4) TILE_ROWS(5) TILE_ROWS(6)
#if TILE_MR > 6
TILE_ROWS(7)
#endif
#if TILE_MR > 7
TILE_ROWS(8) TILE_ROWS(9) TILE_ROWS(10) TILE_ROWS(11) TILE_ROWS(12) TILE_ROWS(13) TILE_ROWS(14)
#endif

static void (*const TILE_TABLE[TILE_MR])(const apusk_tile *) = {
    TILE_NAME(_1), TILE_NAME(_2), TILE_NAME(_3), TILE_NAME(_4), TILE_NAME(_5), TILE_NAME(_6),
#if TILE_MR > 6
    TILE_NAME(_7),
#endif
#if TILE_MR > 7
    TILE_NAME(_8), TILE_NAME(_9), TILE_NAME(_10), TILE_NAME(_11), TILE_NAME(_12), TILE_NAME(_13), TILE_NAME(_14),
#endif
};

#undef TILE_EACH
#undef TILE_ROWS
#undef TILE_NAME
#undef TILE_PASTE
#undef TILE_PASTE_
#undef TILE_TABLE
#undef TILE_MR
#undef TILE_VECTORS
#undef TILE_VL
#undef TILE_V
#undef TILE_MM
