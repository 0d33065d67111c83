#if defined(__x86_64__)
#include "gemm_entry.h"
#include "simd_avx2.h"

#define TILE_TABLE tiles_16
#define TILE_MR 6
#define TILE_VECTORS 2
#define TILE_VL 8
#define TILE_V __m256
#define TILE_MM(operation) _mm256_##operation##_ps
#include "gemm_tile.h"

#define TILE_TABLE tiles_8
#define TILE_MR 6
#define TILE_VECTORS 1
#define TILE_VL 8
#define TILE_V __m256
#define TILE_MM(operation) _mm256_##operation##_ps
#include "gemm_tile.h"

static void tile(const apusk_tile *t) { (t->width == 16 ? tiles_16 : tiles_8)[t->rows - 1](t); }

#define WIDE_VECTORS 2
#include "gemm_wide.h"

#define SIMD_ACTIVATE apusk_activate_f32_avx2
#include "tail_finish.h"

APUSK_GEMM_ENTRIES(apusk_gemm_isa_avx2)

const apusk_gemm_isa apusk_gemm_isa_avx2 = {
    .kernels = {.level = APUSK_LEVEL_AVX2, .mr = 6, .nr = 16, .gemm_f32 = gemm_f32, .pack_b_f32 = pack_b_f32},
    .wide_panels = {4, 2},
    .multiplies_per_us = 40000,
    .tile = tile,
    .wide = wide_any,
    .finish = finish_rows,
    .activate = apusk_activate_f32_avx2,
};
#endif
