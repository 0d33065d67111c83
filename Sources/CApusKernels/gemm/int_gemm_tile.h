// Template: a tile of sums of 8-bit products. A level names its vector of int32 (`vi`, VI_LANES of them) and the operations
// vi_zero, vi_pair (one pair of A to all lanes), vi_load and vi_add_pairs.

#define VECTORS (APUSK_INT_GEMM_COLUMNS / VI_LANES)

// Unrolled even where the code is compiled for size: the sums stay in registers.
#define UNROLLED _Pragma("clang loop unroll(full)") for

#define TILE_ROWS(count)                                                                                                   \
  static void tile_##count(const int16_t *a, int64_t a_row, const int16_t *b, int64_t k_pairs,                             \
                           int32_t sums[][APUSK_INT_GEMM_COLUMNS]) {                                                       \
    vi acc[count][VECTORS];                                                                                                \
    UNROLLED (int i = 0; i < count; i++) {                                                                                 \
      UNROLLED (int v = 0; v < VECTORS; v++) acc[i][v] = vi_zero();                                                        \
    }                                                                                                                      \
    for (int64_t p = 0; p < k_pairs; p++, a += 2, b += 2 * APUSK_INT_GEMM_COLUMNS) {                                       \
      UNROLLED (int i = 0; i < count; i++) {                                                                               \
        vi pair = vi_pair(a + i * a_row);                                                                                  \
        UNROLLED (int v = 0; v < VECTORS; v++) acc[i][v] = vi_add_pairs(acc[i][v], pair, vi_load(b + 2 * VI_LANES * v));   \
      }                                                                                                                    \
    }                                                                                                                      \
    UNROLLED (int i = 0; i < count; i++) {                                                                                 \
      UNROLLED (int v = 0; v < VECTORS; v++) memcpy(sums[i] + v * VI_LANES, &acc[i][v], sizeof(vi));                       \
    }                                                                                                                      \
  }

TILE_ROWS(1)
TILE_ROWS(2)
TILE_ROWS(6)

void APUSK_ISA_NAME(apusk_int_gemm_tile)(const int16_t *a, int64_t a_row, const int16_t *b, int64_t k_pairs, int64_t rows,
                                         int32_t sums[][APUSK_INT_GEMM_COLUMNS]) {
  if (rows == APUSK_INT_GEMM_ROWS) {
    tile_6(a, a_row, b, k_pairs, sums);
    return;
  }
  int64_t i = 0;
  for (; i + 2 <= rows; i += 2) tile_2(a + i * a_row, a_row, b, k_pairs, sums + i);
  if (i < rows) tile_1(a + i * a_row, a_row, b, k_pairs, sums + i);
}
