// What a level brings to products of 8-bit matrices.
#ifndef APUSK_INT_GEMM_LEVEL_H
#define APUSK_INT_GEMM_LEVEL_H

#include "../include/apusk_int_gemm.h"

// sums[i][j] = sum over pairs of k, for `rows` rows of A, k_pairs apart by a_row int16, and one panel of B.
typedef void apusk_int_gemm_tile(const int16_t *a, int64_t a_row, const int16_t *b, int64_t k_pairs, int64_t rows,
                                 int32_t sums[][APUSK_INT_GEMM_COLUMNS]);

// Most rows of a tile, over all levels.
#define APUSK_INT_GEMM_ROWS 6

apusk_int_gemm_tile apusk_int_gemm_tile_portable;
#if defined(__x86_64__)
apusk_int_gemm_tile apusk_int_gemm_tile_avx2;
apusk_int_gemm_tile apusk_int_gemm_tile_avx512;
#endif

#endif
