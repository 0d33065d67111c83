// The specification of the micro-kernels, in plain C.
#include "gemm_entry.h"
#include "simd_portable.h"

static void tile(const apusk_tile *t) {
  for (int32_t i = 0; i < t->rows; i++) {
    float *c = t->c + i * t->c_row;
    const float *b = t->b;
    float sums[APUSK_GEMM_MAX_NR];
    for (int32_t j = 0; j < t->width; j++) sums[j] = t->resume ? c[j] : 0.0f;
    for (int64_t y = 0; y < t->runs_y; y++) {
      for (int64_t x = 0; x < t->runs_x; x++) {
        const float *a = t->a + i * t->a_row + y * t->a_y + x * t->a_x;
        for (int64_t p = 0; p < t->run; p++) {
          for (int32_t j = 0; j < t->width; j++) sums[j] = fmaf(a[p], b[j], sums[j]);
          b += t->width;
        }
      }
    }
    for (int32_t j = 0; j < t->width; j++) c[j] = sums[j];
  }
}

#define NR 16

static void wide(const apusk_wide *w) {
  for (int32_t panel = 0; panel < w->panels; panel++) {
    apusk_tile t = {
        .a = w->a, .a_row = w->a_row, .a_x = w->a_k, .runs_y = 1, .runs_x = w->k, .run = 1,
        .b = w->b + panel * w->panel_stride, .c = w->c + panel * NR, .c_row = w->c_row,
        .rows = w->rows, .width = NR, .resume = w->resume,
    };
    tile(&t);
  }
}

#define SIMD_SIGMOID apusk_sigmoid_f32_portable
#define SIMD_TANH apusk_tanh_f32_portable
#include "tail_finish.h"

APUSK_GEMM_ENTRIES(apusk_gemm_isa_portable)

const apusk_gemm_isa apusk_gemm_isa_portable = {
    .kernels = {.level = APUSK_LEVEL_PORTABLE, .mr = 4, .nr = NR, .gemm_f32 = gemm_f32, .pack_b_f32 = pack_b_f32},
    .wide_panels = {1, 1},
    .multiplies_per_us = 500,
    .tile = tile,
    .wide = wide,
    .finish = finish_rows,
};
