// Products of 8-bit integer matrices with 32-bit sums, exact modulo 2^32: MatMulInteger, QLinearMatMul and what is built on them.
//
//   C[i, j] = sum over p of (A[i, p] - za[i]) * (B[p, j] - zb[j])
//
// A is packed with its zero points taken off, B without: constant weights are packed once whatever their zero points are, and
// C[i, j] = sum of (A - za) * B - zb[j] * sum of (A[i, ...] - za[i]).
#ifndef APUSK_INT_GEMM_H
#define APUSK_INT_GEMM_H

#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// Columns of a panel of packed B: for each pair of k, 16 columns of two int16.
#define APUSK_INT_GEMM_COLUMNS 16

// Bytes of one packed matrix, a multiple of 64; -1 on overflow or a negative size.
int64_t apusk_int_gemm_packed_a_bytes(int64_t m, int64_t k);
int64_t apusk_int_gemm_packed_b_bytes(int64_t k, int64_t n);

// Bytes to int16, rows padded with a zero to an even length, and the sum of each row. A unit is a row.
typedef struct apusk_int_pack_a_args {
  const void *source;
  const void *zero_points;  // of the source's type, or NULL: 0
  int16_t *packed;          // batches * apusk_int_gemm_packed_a_bytes
  int32_t *row_sums;        // [batches, m]
  int64_t batches, m, k;
  int64_t batch_stride, row_stride, k_stride;
  int64_t zero_batch_stride, zero_row_stride;
  int32_t is_signed;        // int8 or uint8
  int32_t reserved;
} apusk_int_pack_a_args;

int32_t apusk_int_pack_a_plan(const apusk_int_pack_a_args *args, apusk_plan *plan);

// Bytes to int16 in panels. A unit is a panel.
typedef struct apusk_int_pack_b_args {
  const void *source;
  int16_t *packed;          // batches * apusk_int_gemm_packed_b_bytes
  int64_t batches, k, n;
  int64_t batch_stride, k_stride, column_stride;
  int32_t is_signed;
  int32_t reserved;
} apusk_int_pack_b_args;

int32_t apusk_int_pack_b_plan(const apusk_int_pack_b_args *args, apusk_plan *plan);
// The same at once, for constants.
void apusk_int_pack_b(const apusk_int_pack_b_args *args);

typedef struct apusk_int_gemm_args {
  const int16_t *a;
  const int32_t *row_sums;
  const int16_t *b;
  const void *b_zero_points;  // or NULL: 0
  int32_t *c;                 // dense [batches, m, n]
  int64_t batches, m, n, k;
  const int64_t *a_matrices;  // [batches]: which matrix of A and of B each product reads; NULL: the first
  const int64_t *b_matrices;
  int64_t zero_batch_stride, zero_column_stride;
  int32_t b_is_signed;
  int32_t reserved;
  int64_t rows_per_unit;      // written by the plan: a unit is one panel for so many rows
} apusk_int_gemm_args;

// Returns 0, 100 for a negative size or unknown level, 301 on overflow.
int32_t apusk_int_gemm_plan(int32_t level, apusk_int_gemm_args *args, apusk_plan *plan);

// What becomes of the sums, each operation rounded to float32:
//
//   scale = alpha * a_scale[row] * b_scale[column]           (8-bit output: divided by y_scale)
//   float output      float(sum) * scale + bias[column]
//   8-bit output      clamp(round to even(float(sum) * scale) + y_zero)
//
// An int32 bias is added to the sum instead.
//
// A unit is a row of the dense [batches, m, n].
typedef struct apusk_int_scale_args {
  const int32_t *sums;
  const float *a_scale;
  const float *b_scale;
  const float *y_scale;   // 8-bit output only
  const void *y_zero;     // of the output's type, or NULL: 0
  const void *bias;       // float (float output only) or int32, or NULL
  void *output;
  int64_t batches, m, n;
  int64_t a_batch_stride, a_row_stride;
  int64_t b_batch_stride, b_column_stride;
  int64_t bias_stride;
  int32_t output_type;    // float32, uint8, int8
  float alpha;            // another factor of the scale
  int32_t bias_is_integer;
  int32_t reserved;
} apusk_int_scale_args;

// Returns 0, or 502 for another output type.
int32_t apusk_int_scale_plan(const apusk_int_scale_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
