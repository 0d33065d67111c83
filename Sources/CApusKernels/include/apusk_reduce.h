// Reductions over any set of axes.
//
// The order of a sum, whatever the layout: the n reduced elements of one output are numbered 0 ..< n in row-major order of the
// reduced axes. Lane j of 16 starts at 0 and adds elements j, j+16, j+32, ... in this order; then the lanes are added in halves,
// lane[j] += lane[j+8] for j < 8, lane[j] += lane[j+4] for j < 4, lane[j] += lane[j+2] for j < 2, and the sum is
// lane[0] + lane[1].
#ifndef APUSK_REDUCE_H
#define APUSK_REDUCE_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// input is dense and row-major over `rank` dimensions, which alternate between kept and reduced. output is dense over the kept
// ones. A unit is one element of the output; of sums and means of float32 whose elements do not lie side by side it is
// up to 16 of one row. The kernels read input only; output must not overlap it.
typedef struct apusk_reduce_args {
  const void *input;
  void *output;
  int32_t function;       // APUSK_REDUCE_*
  int32_t element_type;   // APUSK_FLOAT32, ...
  int32_t rank;           // 1 ... 8
  int32_t first_reduced;  // 1 if dimension 0 is reduced, 0 if it is kept
  int64_t shape[APUSK_MAX_RANK];
} apusk_reduce_args;

// Sets rank, first_reduced and shape from a tensor's shape and a mask that has bit i set where axis i (from 0) is reduced.
// Returns 0, or 301 if more than 8 dimensions remain or rank is above 64.
int32_t apusk_reduce_set_shape(apusk_reduce_args *args, int32_t rank, const int64_t *shape, uint64_t reduced_axes);

#define APUSK_REDUCE_SUM 0
#define APUSK_REDUCE_MEAN 1
#define APUSK_REDUCE_MAX 2
#define APUSK_REDUCE_MIN 3
#define APUSK_REDUCE_PROD 4
#define APUSK_REDUCE_L1 5           // sum of |x|
#define APUSK_REDUCE_L2 6           // square root of the sum of x^2
#define APUSK_REDUCE_SUM_SQUARE 7   // sum of x^2
#define APUSK_REDUCE_LOG_SUM 8      // log of the sum
#define APUSK_REDUCE_LOG_SUM_EXP 9  // m + log of the sum of e^(x - m), in double precision; m is the largest x

// For float32, float64, int32, int64 and uint64; MAX and MIN also for int8, uint8 and bool. Floats compute in their own type
// (square root and logarithm in double precision, rounded once), integers wrap; integer results of L2, LOG_SUM and
// LOG_SUM_EXP drop the fraction and stop at the type's bounds. The mean is the sum divided by n (one division; integers
// truncate toward zero). Products, largest and smallest are combined in the order of sums; a NaN among the elements becomes
// the result. Of no elements the sum is 0, the product 1, the largest -inf or the type's lowest value, the smallest +inf or
// its highest, the logarithms -inf, and the floating mean NaN; an integer mean then stops with fault 600 {operand 0,
// position 0, value 0, lower 1, upper INT64_MAX}: the count of elements.
// Returns 0, 100 for an unknown function or level, 502 for an element type that has no kernel.
int32_t apusk_reduce_plan(int32_t level, const apusk_reduce_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
