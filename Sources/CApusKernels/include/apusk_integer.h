// Products and convolutions of 8-bit integers with 32-bit sums, exact modulo 2^32, and what becomes of the sums:
//
//   sum[i, j] = sum over p of (a[i, p] - a_zero[i]) * (b[p, j] - b_zero[j]) + bias[j]
//
// In the kernels a is unsigned and b signed, as in the dot products of VNNI: a signed a has its sign bit turned as it is read, an
// unsigned b as it is packed, which adds 128 to the one and takes 128 from the other, from their zero points too. The sums of
// b's columns, packed beside it, and those of a's rows, where b has zero points, put right what the zero points add. So packed
// weights depend on nothing but themselves and are the same on every level.
//
// Packed b, by panels of 16 columns: their 16 sums as int32, then for each four of k (a `quad`) 16 columns of four bytes; 0 where
// k or n has ended. A convolution's k is, for each kernel position of the axes but the last, a run of (position on the last axis,
// input channel), padded to a multiple of four.
//
// Tail, each operation in float32 and rounded by itself:
//
//   int32      sum
//   8 bits     q = clamp(roundTiesToEven(Float(sum) * (alpha * a_scale[i] * b_scale[j] / y_scale)) + y_zero, low, high)
//              and with a residual r:
//              clamp(roundTiesToEven(Float(q - zero_a) * factor_a + Float(r - zero_b) * factor_b) + zero, low, high)
//   float32    activation(Float(sum) * (alpha * a_scale[i] * b_scale[j]) + float_bias[j])
//
// NaN, from a scale that is none, becomes the lowest value.
#ifndef APUSK_INTEGER_H
#define APUSK_INTEGER_H

#include "apusk_conv_nd.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct apusk_integer_tail {
  int32_t output_type;       // APUSK_INT32, APUSK_UINT8, APUSK_INT8 or APUSK_FLOAT32
  int32_t low, high;         // of 8 bits: within the range of the type
  float alpha;
  const void *a_zero;        // of a's type, or NULL: 0
  const void *b_zero;        // of b's type, or NULL: 0
  const void *y_zero;        // of the output's type, or NULL: 0
  const float *a_scale;
  const float *b_scale;
  const float *y_scale;      // of 8 bits
  const int32_t *bias;       // or NULL
  const float *float_bias;   // or NULL; of float32
  // 1, or 0 where one element serves all rows (of a product's A) or columns.
  int64_t a_zero_row, a_scale_row, b_zero_column, b_scale_column, bias_column;
  // Elements between the matrices of a batch, 0 where they share them.
  int64_t a_zero_batch, a_scale_batch, b_zero_batch, b_scale_batch;
  const void *residual;      // of the output's type and shape, or NULL; may not overlap the output
  float factor_a, factor_b;
  int32_t zero_a, zero_b, residual_zero, residual_low, residual_high;
  int32_t activation;        // APUSK_ACTIVATION_..., of float32
  float activation_alpha, activation_beta;
} apusk_integer_tail;

// ---- matrices ------------------------------------------------------------------------------------------------------------

// Bytes of one packed matrix; -1 on overflow or a negative size.
int64_t apusk_integer_packed_bytes(int64_t k, int64_t n);

// A unit is a panel.
typedef struct apusk_integer_pack_args {
  const void *source;
  int8_t *packed;                                  // batches * apusk_integer_packed_bytes, aligned to 64 bytes
  int64_t batches, k, n;
  int64_t batch_stride, k_stride, column_stride;
  int32_t type;                                    // APUSK_INT8 or APUSK_UINT8
  int32_t reserved;
} apusk_integer_pack_args;

int32_t apusk_integer_pack_plan(const apusk_integer_pack_args *args, apusk_plan *plan);
// The same at once, for constants.
void apusk_integer_pack(const apusk_integer_pack_args *args);

// C[b] = tail(A * B). Rows of A whose elements lie side by side, a multiple of four of them, are read where they are; others are
// copied, a block at a time.
typedef struct apusk_integer_gemm_args {
  const void *a;
  const int8_t *b;            // packed
  void *c;                    // dense [batches, m, n]
  int64_t batches, m, n, k;
  int64_t a_batch, a_row, a_k;  // elements between matrices, rows and columns of A
  const int64_t *a_matrices;  // [batches]: which matrix of A and of B each product reads; NULL: the first
  const int64_t *b_matrices;
  int32_t a_type, b_type;     // APUSK_INT8 or APUSK_UINT8
  apusk_integer_tail tail;
  // Written by the plan.
  int64_t rows_per_unit, panels_per_unit;
  int32_t level, reserved;
} apusk_integer_gemm_args;

// Returns 0, 100 for a negative size, unknown level or type, 301 on overflow.
int32_t apusk_integer_gemm_plan(int32_t level, apusk_integer_gemm_args *args, apusk_plan *plan);

// ---- convolutions --------------------------------------------------------------------------------------------------------

// Channels-last, over any number of axes. A tap outside x counts as a_zero, which is one element.
typedef struct apusk_integer_conv_args {
  const void *x;              // [batch, input..., cin]
  const int8_t *w;            // packed by apusk_integer_conv_pack
  void *y;                    // [batch, output..., cout]; may not overlap x
  int32_t x_type, w_type;     // APUSK_INT8 or APUSK_UINT8
  apusk_integer_tail tail;
  apusk_conv_geometry geometry;  // not transposed
  // Written by the plan.
  int64_t rows_per_unit, panels_per_unit;
  int32_t level, variant;
} apusk_integer_conv_args;

// Weights [cout, cin/groups, kernel...]: panels of each group; of depthwise ones (cin == cout == groups) for each four rows of
// the kernel and each of its columns, the four bytes of each channel, after the sums of all channels.
typedef struct apusk_integer_conv_pack_args {
  const void *weights;
  int8_t *packed;             // aligned to 64 bytes
  int32_t type;
  apusk_conv_geometry geometry;
} apusk_integer_conv_pack_args;

// Bytes of the packed weights; -1 if the sizes make no convolution or overflow. They depend on channels, groups and kernel only.
int64_t apusk_integer_conv_packed_bytes(const apusk_conv_geometry *geometry);
// Each returns 0, 100 for sizes or types that make no convolution, 301 for an overflow.
int32_t apusk_integer_conv_pack_plan(apusk_integer_conv_pack_args *args, apusk_plan *plan);
int32_t apusk_integer_conv_plan(int32_t level, apusk_integer_conv_args *args, apusk_plan *plan);
// Packs everything at once, at prepare time.
void apusk_integer_conv_pack(const apusk_integer_conv_pack_args *args);

#ifdef __cplusplus
}
#endif
#endif
