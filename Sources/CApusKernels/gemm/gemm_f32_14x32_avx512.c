#if defined(__x86_64__)
#include "gemm_entry.h"
#include "simd_avx512.h"

#define TILE_TABLE tiles_32
#define TILE_MR 14
#define TILE_VECTORS 2
#define TILE_VL 16
#define TILE_V __m512
#define TILE_MM(operation) _mm512_##operation##_ps
#include "gemm_tile.h"

#define TILE_TABLE tiles_16
#define TILE_MR 7
#define TILE_VECTORS 1
#define TILE_VL 16
#define TILE_V __m512
#define TILE_MM(operation) _mm512_##operation##_ps
#include "gemm_tile.h"

#define TILE_TABLE tiles_8
#define TILE_MR 7
#define TILE_VECTORS 1
#define TILE_VL 8
#define TILE_V __m256
#define TILE_MM(operation) _mm256_##operation##_ps
#include "gemm_tile.h"

// One vector of a panel's columns, from `first` on, of any number of rows: seven are chains enough.
static void tile_part(const apusk_tile *t, void (*const *kernels)(const apusk_tile *), int32_t first) {
  apusk_tile part = *t;
  apusk_tile_end end;
  part.b += first;
  part.c += first;
  if (t->end) {
    end = *t->end;
    if (end.bias) end.bias += first;
    if (end.residual) end.residual += first;
    part.end = &end;
  }
  part.rows = t->rows > 7 ? t->rows / 2 : t->rows;
  kernels[part.rows - 1](&part);
  if (part.rows == t->rows) return;
  part.a += part.rows * t->a_row;
  part.c += part.rows * t->c_row;
  if (t->end && end.residual) end.residual += part.rows * end.residual_row;
  part.rows = t->rows - part.rows;
  kernels[part.rows - 1](&part);
}

static void tile(const apusk_tile *t) {
  if (t->width == 32) {
    tiles_32[t->rows - 1](t);
    return;
  }
  if (t->width >= 16) tile_part(t, tiles_16, 0);
  if (t->width != 16) tile_part(t, tiles_8, t->width - 8);
}

#define WIDE_VECTORS 2
#include "gemm_wide.h"

#define SIMD_ACTIVATE apusk_activate_f32_avx512
#include "tail_finish.h"

// Up to 8 columns have been stored in halves: only loads of halves are forwarded from the store buffer.
static void finish(const apusk_finish *f) {
  if (f->columns <= 8) {
    apusk_finish_8_avx512(f);
  } else {
    finish_rows(f);
  }
}

APUSK_GEMM_ENTRIES(apusk_gemm_isa_avx512)

const apusk_gemm_isa apusk_gemm_isa_avx512 = {
    .kernels = {.level = APUSK_LEVEL_AVX512, .mr = 14, .nr = 32, .gemm_f32 = gemm_f32, .pack_b_f32 = pack_b_f32},
    .wide_panels = {4, 2},
    .multiplies_per_us = 50000,
    .tile = tile,
    .wide = wide_any,
    .finish = finish,
    .activate = apusk_activate_f32_avx512,
};
#endif
