// The negative log-likelihood loss (NegativeLogLikelihoodLoss; SoftmaxCrossEntropyLoss after log-softmax).
#ifndef APUSK_LOSS_H
#define APUSK_LOSS_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// For scores [outer, classes, inner] and targets [outer, inner] the loss of (o, i) with class c = targets[o, i] is
// -scores[o, c, i] * weight[c]; it and its weight are 0 where the target is ignore_index. A unit is one (o, i).
// A target that is neither a class nor ignore_index stops the kernel with fault 600 {operand 1, position, value, 0, classes}.
typedef struct apusk_nll_args {
  const void *scores;
  const void *targets;
  const void *weight;  // [classes], may be NULL: 1
  void *losses;        // [outer, inner]
  void *weights;       // [outer, inner], the weight of each; may be NULL
  int64_t outer;
  int64_t classes;
  int64_t inner;
  int64_t ignore_index;
  int32_t has_ignore_index;
  int32_t element_type;
  int32_t target_bytes;  // 4 or 8: int32 or int64
  int32_t reserved;
} apusk_nll_args;

// For float32 and float64. Returns 0, or 502 for another element type.
int32_t apusk_nll_plan(const apusk_nll_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
