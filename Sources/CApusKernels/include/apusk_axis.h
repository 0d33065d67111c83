// Kernels that go along one axis of a dense tensor [outer, n, inner]: places of extremes, cumulative sums and products, the
// largest or smallest k, Hardmax, and softmax in double precision. A row is the n elements of one (outer, inner), and a unit
// of work, numbered row-major.
//
// Where elements are compared, a NaN counts as larger than all numbers, and equal ones as in the order of their places.
#ifndef APUSK_AXIS_H
#define APUSK_AXIS_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

#define APUSK_AXIS_ARG_MAX 0      // output: int64 [outer, 1, inner], the place of the largest element
#define APUSK_AXIS_ARG_MIN 1      // the same of the smallest; a NaN, if there is one, counts as the smallest too
#define APUSK_AXIS_CUMULATIVE_SUM 2
#define APUSK_AXIS_CUMULATIVE_PRODUCT 3
#define APUSK_AXIS_HARDMAX 4      // 1 at the first of the largest elements, else 0
#define APUSK_AXIS_SOFTMAX 5      // as in apusk_softmax.h, by the C library's exp and log
#define APUSK_AXIS_LOG_SOFTMAX 6
#define APUSK_AXIS_LP_NORMALIZE 7  // x divided by the sum of |x|, or the root of that of x^2; 0 where that is 0

typedef struct apusk_axis_args {
  const void *input;
  void *output;
  int32_t function;      // APUSK_AXIS_*
  int32_t element_type;  // of the input
  int64_t outer;
  int64_t n;
  int64_t inner;
  int32_t last;       // extremes: the last of equal ones instead of the first
  int32_t exclusive;  // cumulative: element i is that of the elements before i, the first 0 or 1
  int32_t reverse;    // cumulative: from the end of the row
  int32_t p;          // APUSK_AXIS_LP_NORMALIZE: 1 or 2
} apusk_axis_args;

// Extremes and cumulative ones (in order; integers wrap; output may be input) for float32, float64, int32, int64 and uint64;
// Hardmax and Lp normalization for float32 and float64; softmax for float64. Sums that are not cumulative in the order of
// apusk_reduce.h. Rows of extremes have an element at least.
// Returns 0, 100 for an unknown function, 502 for an element type that has no kernel.
int32_t apusk_axis_plan(const apusk_axis_args *args, apusk_plan *plan);

// values and indices are [outer, k, inner]: the k largest (or smallest) elements in descending (ascending) order and their
// places along the axis. 0 <= k <= n.
typedef struct apusk_top_k_args {
  const void *input;
  void *values;
  int64_t *indices;
  int32_t element_type;
  int32_t smallest;
  int64_t outer;
  int64_t n;
  int64_t inner;
  int64_t k;
} apusk_top_k_args;

// For float32, float64, int32, int64 and uint64. Returns 0, or 502 for another element type.
int32_t apusk_top_k_plan(const apusk_top_k_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
