// One step of the optimizers of ai.onnx.preview.training.
#ifndef APUSK_OPTIMIZER_H
#define APUSK_OPTIMIZER_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// With g = gradient + norm * x, rate r and update count t, all in the element type:
// h += g^2; x -= r / (1 + t * decay) * g / (sqrt(h) + epsilon)
#define APUSK_OPTIMIZER_ADAGRAD 0
// v = alpha v + (1 - alpha) g; h = beta h + (1 - beta) g^2; x = (1 - norm_post) (x - r' v / (sqrt(h) + epsilon)),
// r' = r for t = 0, else r sqrt(1 - beta^t) / (1 - alpha^t)
#define APUSK_OPTIMIZER_ADAM 1
// v = alpha v + (t > 0 ? beta : 1) g; x -= r v
#define APUSK_OPTIMIZER_MOMENTUM 2
// the same v; x -= r (g + alpha v)
#define APUSK_OPTIMIZER_NESTEROV 3

// A unit is an element. Results are written beside their operands or over them.
typedef struct apusk_optimizer_args {
  const void *rate;      // one element of rate_type
  const int64_t *count;  // one element
  const void *x;
  const void *gradient;
  const void *v;  // momentum; NULL for ADAGRAD
  const void *h;  // squared gradients; NULL for MOMENTUM and NESTEROV
  void *new_x;
  void *new_v;
  void *new_h;
  int64_t elements;
  int32_t function;      // APUSK_OPTIMIZER_*
  int32_t element_type;  // APUSK_FLOAT32 or APUSK_FLOAT64
  int32_t rate_type;     // the same two
  int32_t reserved;
  double alpha;
  double beta;
  double decay;
  double epsilon;
  double norm;
  double norm_post;
} apusk_optimizer_args;

// Returns 0, 100 for an unknown function, 502 for another element type.
int32_t apusk_optimizer_plan(const apusk_optimizer_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
