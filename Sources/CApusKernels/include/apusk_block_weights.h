// Products with weights of 4 or 8 bits that have a scale for each column and block along k, and maybe a zero point:
//
//   w[p, j] = (q[p, j] - zero[p / block, j]) * scale[p / block, j]
//
// Products of up to APUSK_BLOCK_MAX_ROWS rows are sums of integers. Along k they go in chunks: of a block where it has at most
// 128 elements, else of 128, 64 or 32. `digits` makes a row of A fixed-point numbers, chunk by chunk: with e the
// least exponent for which all |a| < 2^e, but e >= -104,
//
//   t[p] = roundTiesToEven(a[p] * 2^(22 - e)) = 65536 * d2[p] + 256 * d1[p] + d0[p],   d0 and d1 in -128 ... 127
//
// and then, with exact sums over a chunk, each operation on floats rounded by itself and chunks in ascending order,
//
//   s_i = sum of d_i[p] * (q[p, j] - zero)
//   c[i, j] = fma(fma(float(s2), 65536, float(256 * s1 + s0)), scale * 2^(e - 22), c[i, j]),   from +0 on
//
// An element of A keeps an error of at most 2^-22 of the largest of its chunk, about that of a float32 sum. Where one is infinite
// or NaN the row's results are NaN. Products of more rows read strips of the float32 values of w (apusk_gemm.h's sums).
//
// With `is_dynamic` A is meant to be quantized: a row becomes bytes t by its own range, as apusk_dynamic_quantize_args have it,
// with its scale and zero point, and with one exact sum along k
//
//   c[i, j] = float(sum of (t[i, p] - zero[i]) * (q[p, j] - zero[j])) * (scale[j] * scale[i])
#ifndef APUSK_BLOCK_WEIGHTS_H
#define APUSK_BLOCK_WEIGHTS_H

#include <stdbool.h>

#include "apusk_element_type.h"
#include "apusk_level.h"
#include "apusk_tail.h"

#ifdef __cplusplus
extern "C" {
#endif

#define APUSK_BLOCK_MAX_ROWS 8
// Largest k with is_dynamic: its sums have 32 bits.
#define APUSK_BLOCK_MAX_DYNAMIC 32768
// Blocks are multiples of this, or all of k.
#define APUSK_BLOCK_UNIT 32
// Columns of a panel.
#define APUSK_BLOCK_COLUMNS 32

// Elements are stored as unsigned ones: signed ones plus 8 or 128, zero points too. Panels of APUSK_BLOCK_COLUMNS columns;
// what stands beside the matrix is 0. q: for each four rows of a panel a 32-bit word a column, of 4 bits two such words in
// one, the second in the high halves of the bytes; k is filled up to whole chunks. With is_dynamic elements are signed ones
// (unsigned less 128), and a panel's end is the sums of its columns, as int32. Scales and zero points (of 8 bits): for each
// block a row of a panel's columns.
typedef struct apusk_block_weights {
  int64_t k, n;
  int64_t block;       // along k; k or more: one
  int32_t bits;        // 4 or 8; 0: no such weights
  int32_t scale_type;  // APUSK_FLOAT32 or APUSK_FLOAT16
  int32_t zero;        // the zero point where there is no table of them
  int32_t is_dynamic;  // 1: rows of A quantized by their range, for weights of 8 bits in one block
  const uint8_t *q;
  const void *scales;
  const uint8_t *zeros;  // or NULL
} apusk_block_weights;

// How a tensor of elements, scales or zero points lies: that of (p, j), or of (block, j), is number
// offset + p * stride_k + j * stride_n.
typedef struct apusk_block_source {
  const void *data;  // 4 bits: two elements a byte, the first one in the low half
  int64_t offset, stride_k, stride_n;
  int32_t bits;      // of elements and zero points
  int32_t is_signed;
} apusk_block_source;

// Whether there are kernels for k, n, block, bits and scale_type.
bool apusk_block_is_supported(const apusk_block_weights *weights);

// Bytes of the packed tables, multiples of 64; -1 for an overflow.
int64_t apusk_block_q_bytes(const apusk_block_weights *weights);
int64_t apusk_block_scale_bytes(const apusk_block_weights *weights);
int64_t apusk_block_zero_bytes(const apusk_block_weights *weights);

void apusk_block_pack_q(const apusk_block_weights *weights, const apusk_block_source *source, uint8_t *packed);
void apusk_block_pack_scales(const apusk_block_weights *weights, const apusk_block_source *source, void *packed);
void apusk_block_pack_zeros(const apusk_block_weights *weights, const apusk_block_source *source, uint8_t *packed);

// A as digits, for a product of few rows. A unit is a chunk of a row.
typedef struct apusk_block_digits_args {
  const float *a;
  int64_t a_row_stride;
  int64_t rows;
  void *digits;  // rows * apusk_block_digits_bytes
  apusk_block_weights weights;
} apusk_block_digits_args;

// Bytes of a row of digits, a multiple of 64.
int64_t apusk_block_digits_bytes(const apusk_block_weights *weights);

int32_t apusk_block_digits_plan(int32_t level, const apusk_block_digits_args *args, apusk_plan *plan);

// c = tail(digits * w): rows of c are dense. A unit is some panels for all rows.
typedef struct apusk_block_product_args {
  const void *digits;
  int64_t rows;
  float *c;
  int64_t c_row_stride;
  apusk_tail tail;
  apusk_block_weights weights;
  int64_t panels_per_unit;  // written by the plan
} apusk_block_product_args;

// Returns 0, 100 for sizes or a form without kernels, 301 for an overflow.
int32_t apusk_block_product_plan(int32_t level, apusk_block_product_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
