// The micro-kernels of the integer convolutions: products of int16 pairs, for each instruction set.
#ifndef APUSK_CONV_INTEGER_TILE_H
#define APUSK_CONV_INTEGER_TILE_H

#include <stdint.h>

// Output channels of a panel of weights.
#define APUSK_INTEGER_PANEL 16

// sums[i * 16 + j] = sum over p < 2 * pairs of a[i * a_row + p] * w[(p / 2 * 16 + j) * 2 + p % 2], modulo 2^32, i < rows,
// j < 16; rows at most `most_rows`, 4-byte aligned rows of a.
typedef struct apusk_integer_tile {
  int most_rows;
  void (*run)(const int16_t *a, int64_t a_row, const int16_t *w, int64_t pairs, int rows, int32_t *sums);
} apusk_integer_tile;

const apusk_integer_tile *apusk_integer_tile_for(int32_t level);

#endif
