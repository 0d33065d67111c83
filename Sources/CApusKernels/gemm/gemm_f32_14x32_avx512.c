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

static void tile(const apusk_tile *t) {
  if (t->width == 32) {
    tiles_32[t->rows - 1](t);
    return;
  }
  // Seven rows are chains enough for one vector of columns.
  void (*const *narrow)(const apusk_tile *) = t->width == 16 ? tiles_16 : tiles_8;
  if (t->rows <= 7) {
    narrow[t->rows - 1](t);
    return;
  }
  apusk_tile half = *t;
  half.rows = t->rows / 2;
  narrow[half.rows - 1](&half);
  half.a += half.rows * t->a_row;
  half.c += half.rows * t->c_row;
  apusk_tile_end end;
  if (t->end && t->end->residual) {
    end = *t->end;
    end.residual += half.rows * end.residual_row;
    half.end = &end;
  }
  half.rows = t->rows - half.rows;
  narrow[half.rows - 1](&half);
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
