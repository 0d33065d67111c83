// Operators on tensors of 8-bit integers that stand for real numbers: maps of bytes, sums, products, pooling.
#ifndef APUSK_QUANTIZED_H
#define APUSK_QUANTIZED_H

#include "apusk_elementwise.h"
#include "apusk_level.h"
#include "apusk_pool.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- maps of bytes --------------------------------------------------------------------------------------------------------

// output[r][i] = table[input[r][i]] for `rows` rows of `block` bytes, the last one cut where `bytes` is all there is; rows begin
// `input_row_bytes` and `output_row_bytes` apart. A unit is a row.
typedef struct apusk_byte_table_args {
  const void *input;
  void *output;
  int64_t rows;
  int64_t block;
  int64_t bytes;
  int64_t input_row_bytes;
  int64_t output_row_bytes;
  uint8_t table[256];
} apusk_byte_table_args;

// Sets rows and strides for `bytes` bytes that follow one another.
void apusk_byte_table_set_dense(apusk_byte_table_args *args, int64_t bytes);

// Returns 0, or 100 for an unknown level.
int32_t apusk_byte_table_plan(int32_t level, const apusk_byte_table_args *args, apusk_plan *plan);

// ---- sums and products ----------------------------------------------------------------------------------------------------

// How the results of a quantized operator are made of real ones: q = clamp(roundTiesToEven(v) + zero, low, high).
typedef struct apusk_quantized_result {
  int32_t zero;
  int32_t low;
  int32_t high;
  int32_t reserved;
} apusk_quantized_result;

// Sum: v = float(a - a_zero) * a_factor + float(b - b_zero) * b_factor, each operation rounded.
// Product: v = float((a - a_zero) * (b - b_zero)) * a_factor.
// shape.a, b and output are tensors of bytes; the rest of shape is what apusk_binary_set_shapes made of theirs. Factors are
// finite and below 2^100. A unit is one element of the output.
typedef struct apusk_quantized_binary_args {
  apusk_binary_args shape;
  float a_factor;
  float b_factor;
  int32_t a_zero;
  int32_t b_zero;
  int32_t a_is_signed;
  int32_t b_is_signed;
  int32_t is_product;
  apusk_quantized_result result;
} apusk_quantized_binary_args;

// Returns 0, or 100 for an unknown level.
int32_t apusk_quantized_binary_plan(int32_t level, const apusk_quantized_binary_args *args, apusk_plan *plan);

// ---- pooling --------------------------------------------------------------------------------------------------------------

// Channels-last images of bytes; the geometry is `window`'s, whose own pointers are not used. Maximum: of the elements in the
// window, which keep their scale. Average: v = float(sum of (x - x_zero)) * (x_scale / (float(count) * scale)).
// A unit is some channels of one output pixel.
typedef struct apusk_quantized_pool_args {
  apusk_pool_args window;
  const void *input;
  void *output;
  int32_t function;  // APUSK_POOL_MAX or APUSK_POOL_AVERAGE
  int32_t is_signed;
  int32_t x_zero;
  float x_scale;
  float scale;
  apusk_quantized_result result;  // of an average
  int64_t groups;  // pieces of a pixel's channels, set by apusk_quantized_pool_plan
} apusk_quantized_pool_args;

// Returns 0, or 100 for an unknown level or function.
int32_t apusk_quantized_pool_plan(int32_t level, apusk_quantized_pool_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
