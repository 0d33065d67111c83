// Softmax and log-softmax along one axis, float32.
//
// For each row x of n elements: m = the largest element; e[i] = exp(x[i] - m); s = sum of e in the order of apusk_reduce.h;
// softmax y[i] = e[i] / s; log_softmax y[i] = (x[i] - m) - log(s). exp and log are those of the unary kernels.
// What follows from the formula: a row with a NaN, with +inf, or of -inf only becomes NaN throughout; -inf beside finite numbers
// gives 0 (softmax) or -inf (log_softmax).
#ifndef APUSK_SOFTMAX_H
#define APUSK_SOFTMAX_H

#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// Dense [outer, n, inner], normalized along n. output may be input. A unit is one row: (o, i) in row-major order.
typedef struct apusk_softmax_args {
  const float *input;
  float *output;
  int64_t outer;
  int64_t n;
  int64_t inner;
} apusk_softmax_args;

#define APUSK_SOFTMAX 0
#define APUSK_LOG_SOFTMAX 1

// Returns 0, or 100 for an unknown function or level.
int32_t apusk_softmax_plan(int32_t level, int32_t function, const apusk_softmax_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
