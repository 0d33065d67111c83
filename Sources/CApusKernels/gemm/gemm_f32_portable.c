// The specification of the micro-kernels, in plain C.
#include "gemm_entry.h"
#include "simd_portable.h"

static void tile(const apusk_tile *t) {
  for (int32_t i = 0; i < t->rows; i++) {
    float *c = t->c + i * t->c_row;
    const float *a = t->a + i * t->a_row, *b = t->b;
    int64_t x = t->first_x, p = t->first_p, left = t->depth;
    bool add = t->resume;
    do {
      float sums[APUSK_GEMM_MAX_NR] = {0};
      int64_t chain = left < APUSK_GEMM_CHAIN ? left : APUSK_GEMM_CHAIN;
      left -= chain;
      for (; chain > 0; chain--) {
        const float value = a[x * t->a_x + p];
        for (int32_t j = 0; j < t->width; j++) sums[j] = fmaf(value, b[j], sums[j]);
        b += t->width;
        if (++p == t->run) {
          p = 0;
          if (++x == t->runs_x) {
            x = 0;
            a += t->a_y;
          }
        }
      }
      for (int32_t j = 0; j < t->width; j++) c[j] = add ? c[j] + sums[j] : sums[j];
      add = true;
    } while (left > 0);
    const apusk_tile_end *end = t->end;
    if (!end) continue;
    for (int32_t j = 0; j < t->width; j++) {
      float v = c[j] + (end->bias ? end->bias[j] : -0.0f);
      if (end->residual) v += end->residual[i * end->residual_row + j];
      c[j] = vlower(vraise(v, end->low), end->high);
    }
  }
}

#define NR 16

static void wide(const apusk_wide *w) {
  for (int32_t panel = 0; panel < w->panels; panel++) {
    apusk_tile t = {
        .a = w->a, .a_row = w->a_row, .a_x = w->a_k, .runs_x = w->k, .run = 1, .depth = w->k,
        .b = w->b + panel * w->panel_stride, .c = w->c + panel * NR, .c_row = w->c_row,
        .rows = w->rows, .width = NR, .resume = w->resume,
    };
    tile(&t);
  }
}

#define SIMD_ACTIVATE apusk_activate_f32_portable
#include "tail_finish.h"

APUSK_GEMM_ENTRIES(apusk_gemm_isa_portable)

const apusk_gemm_isa apusk_gemm_isa_portable = {
    .kernels = {.level = APUSK_LEVEL_PORTABLE, .mr = 4, .nr = NR, .gemm_f32 = gemm_f32, .pack_b_f32 = pack_b_f32},
    .wide_panels = {1, 1},
    .multiplies_per_us = 500,
    .tile = tile,
    .wide = wide,
    .finish = finish_rows,
    .activate = apusk_activate_f32_portable,
};
