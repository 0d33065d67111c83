// Sums of products over strided views: matrix products of any rank and element type, and the steps of Einsum.
//
//   output[o] = sum over r of a[o . a_strides + r . a_sum_strides] * b[o . b_strides + r . b_sum_strides]
//
// with o over the dense row-major `shape`, r over `sum_shape` in row-major order. Without b its factor is 1. Strides count
// elements; 0 repeats. Each sum starts at 0 and takes the products in the order of r, product and sum rounded by themselves;
// integers wrap. Then, element by element:
//
//   output[o] = alpha * sum + beta * c[o . c_strides]
//
// For integers with an alpha or beta other than 1 this last line is done in float64 and cut towards 0.
#ifndef APUSK_CONTRACT_H
#define APUSK_CONTRACT_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// Axes of the result and axes summed over, each at most.
#define APUSK_CONTRACT_RANK 16

// A unit is up to 64 neighbours of one row of the result.
typedef struct apusk_contract_args {
  const void *a;
  const void *b;  // or NULL
  const void *c;  // or NULL
  void *output;
  int32_t element_type;  // float32, float64, int32, uint32, int64, uint64
  int32_t rank;          // 0 ... 16
  int32_t sum_rank;      // 0 ... 16
  float alpha;
  float beta;
  int64_t shape[APUSK_CONTRACT_RANK];
  int64_t a_strides[APUSK_CONTRACT_RANK];
  int64_t b_strides[APUSK_CONTRACT_RANK];
  int64_t c_strides[APUSK_CONTRACT_RANK];
  int64_t sum_shape[APUSK_CONTRACT_RANK];
  int64_t a_sum_strides[APUSK_CONTRACT_RANK];
  int64_t b_sum_strides[APUSK_CONTRACT_RANK];
  // Written by apusk_contract_plan.
  int64_t row_blocks;  // units of a row of the result
  int64_t outer_sums;  // how often the innermost summed axis is walked
} apusk_contract_args;

// Add an axis inside those added before, to the result or to those summed over, to an argument block that was all zeros. Axes
// that can be walked as one are joined. Return 0, 100 for a negative extent, 301 where more than 16 axes remain.
int32_t apusk_contract_add_axis(apusk_contract_args *args, int64_t extent, int64_t a_stride, int64_t b_stride, int64_t c_stride);
int32_t apusk_contract_add_sum(apusk_contract_args *args, int64_t extent, int64_t a_stride, int64_t b_stride);

// Fills `plan`. Returns 0, 301 for an overflow, 502 for an element type without a kernel.
int32_t apusk_contract_plan(apusk_contract_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
