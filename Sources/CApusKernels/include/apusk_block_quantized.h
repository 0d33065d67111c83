// Products with weights that are quantized in blocks along k, as they lie in the tensors of com.microsoft MatMulNBits: for
// weights that are computed, of 2 bits, or with floats for zero points. Others are packed (apusk_block_weights.h). One kernel
// serves all levels.
#ifndef APUSK_BLOCK_QUANTIZED_H
#define APUSK_BLOCK_QUANTIZED_H

#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// output[i, j] = sum over p of a[i, p] * w[j, p] + bias[j], float32, summed in 16 lanes (lane p % 16) that a fixed tree adds
// up, with
//
//   w[j, p] = (q[j, p] - zero[j, p / block]) * scale[j, p / block]
//
// q holds, for each column j and block, block * bits / 8 bytes, elements of `bits` bits from the low end of each byte on. Zero
// points are packed in the same way, each column from a whole byte on; or floats [n, blocks]; or, without either, 2^(bits - 1).
// A unit is one column for all rows.
typedef struct apusk_block_quantized_args {
  const float *a;              // [m, k]
  const uint8_t *q;
  const float *scales;         // [n, blocks]
  const uint8_t *zero_points;  // or NULL
  const float *float_zeros;    // or NULL
  const float *bias;           // [n] or NULL
  float *output;               // [m, n]
  int64_t m, n, k, block;
  int32_t bits;                // 2, 4 or 8
  int32_t reserved;
} apusk_block_quantized_args;

// Returns 0, 100 for sizes or bits out of range, 301 for an overflow.
int32_t apusk_block_quantized_plan(int32_t level, const apusk_block_quantized_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
