#include "conv_integer_tile.h"

#include <string.h>

#include "apusk_level.h"

#if defined(__x86_64__)
#include <immintrin.h>

static inline int32_t pair_at(const int16_t *a) {
  int32_t pair;
  memcpy(&pair, a, sizeof pair);
  return pair;
}

// `rows` is a constant where this is inlined, so that the sums stay in registers.
#define INTEGER_TILE(name, isa_target, vector, vectors, zero, load, store, broadcast, multiply, add)                           \
  isa_target static inline __attribute__((always_inline)) void name##_rows(                                                    \
      const int16_t *a, int64_t a_row, const int16_t *w, int64_t pairs, const int rows, int32_t *sums) {                       \
    vector acc[12][vectors];                                                                                                   \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) {                                                        \
      _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) acc[i][v] = zero();                                 \
    }                                                                                                                          \
    for (int64_t p = 0; p < pairs; p++, w += 2 * APUSK_INTEGER_PANEL) {                                                        \
      vector b[vectors];                                                                                                       \
      _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) {                                                   \
        b[v] = load((const vector *)(w + 2 * APUSK_INTEGER_PANEL / vectors * v));                                              \
      }                                                                                                                        \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) {                                                      \
        vector x = broadcast(pair_at(a + i * a_row + 2 * p));                                                                  \
        _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) acc[i][v] = add(acc[i][v], multiply(x, b[v]));    \
      }                                                                                                                        \
    }                                                                                                                          \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) {                                                        \
      _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) {                                                   \
        store((vector *)(sums + i * APUSK_INTEGER_PANEL + APUSK_INTEGER_PANEL / vectors * v), acc[i][v]);                      \
      }                                                                                                                        \
    }                                                                                                                          \
  }

INTEGER_TILE(sse2, , __m128i, 4, _mm_setzero_si128, _mm_loadu_si128, _mm_storeu_si128, _mm_set1_epi32, _mm_madd_epi16,
             _mm_add_epi32)
INTEGER_TILE(avx2, __attribute__((target("avx2"))), __m256i, 2, _mm256_setzero_si256, _mm256_loadu_si256,
             _mm256_storeu_si256, _mm256_set1_epi32, _mm256_madd_epi16, _mm256_add_epi32)
INTEGER_TILE(avx512, __attribute__((target("avx512f,avx512bw"))), __m512i, 1, _mm512_setzero_si512, _mm512_loadu_si512,
             _mm512_storeu_si512, _mm512_set1_epi32, _mm512_madd_epi16, _mm512_add_epi32)

// All the rows that a tile may have at once, then halves and single ones of what is left.
#define INTEGER_TILE_ENTRY(name, isa_target, most, half)                                                                 \
  isa_target static void name##_tile(const int16_t *a, int64_t a_row, const int16_t *w, int64_t pairs, int rows,         \
                                     int32_t *sums) {                                                                    \
    if (rows == most) {                                                                                                  \
      name##_rows(a, a_row, w, pairs, most, sums);                                                                       \
      return;                                                                                                            \
    }                                                                                                                    \
    int i = 0;                                                                                                           \
    for (; i + half <= rows; i += half) name##_rows(a + i * a_row, a_row, w, pairs, half, sums + i * APUSK_INTEGER_PANEL); \
    for (; i < rows; i++) name##_rows(a + i * a_row, a_row, w, pairs, 1, sums + i * APUSK_INTEGER_PANEL);                 \
  }

INTEGER_TILE_ENTRY(sse2, , 2, 2)
INTEGER_TILE_ENTRY(avx2, __attribute__((target("avx2"))), 6, 3)
INTEGER_TILE_ENTRY(avx512, __attribute__((target("avx512f,avx512bw"))), 12, 4)

static const apusk_integer_tile tiles[] = {{2, sse2_tile}, {6, avx2_tile}, {12, avx512_tile}};

const apusk_integer_tile *apusk_integer_tile_for(int32_t level) {
  return &tiles[level < APUSK_LEVEL_PORTABLE || level > APUSK_LEVEL_AVX512 ? APUSK_LEVEL_PORTABLE : level];
}
#else
static void plain_tile(const int16_t *a, int64_t a_row, const int16_t *w, int64_t pairs, int rows, int32_t *sums) {
  for (int i = 0; i < rows; i++, a += a_row) {
    uint32_t acc[APUSK_INTEGER_PANEL] = {0};
    for (int64_t p = 0; p < pairs; p++) {
      for (int j = 0; j < APUSK_INTEGER_PANEL; j++) {
        const int16_t *b = w + (p * APUSK_INTEGER_PANEL + j) * 2;
        acc[j] += (uint32_t)(a[2 * p] * b[0]) + (uint32_t)(a[2 * p + 1] * b[1]);
      }
    }
    memcpy(sums + i * APUSK_INTEGER_PANEL, acc, sizeof acc);
  }
}

static const apusk_integer_tile tile = {4, plain_tile};

const apusk_integer_tile *apusk_integer_tile_for(int32_t level) {
  (void)level;
  return &tile;
}
#endif
