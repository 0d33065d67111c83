// Random numbers: MT19937 (Matsumoto & Nishimura 1998) seeded with one number, from which values are drawn one after the other as
// NumPy's RandomState draws them. So a seeded node gives the numbers of ONNX's reference implementation.
#ifndef APUSK_RANDOM_H
#define APUSK_RANDOM_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

#define APUSK_RANDOM_UNIFORM 0    // alpha + (beta - alpha) u, u in [0, 1) with 53 bits
#define APUSK_RANDOM_NORMAL 1     // alpha + beta g, g of the standard normal distribution (Marsaglia's polar method)
#define APUSK_RANDOM_BERNOULLI 2  // 1 with the probability input[i], else 0
// input [rows, classes] of logarithms of probabilities that need no norm: output [rows, samples] of class numbers.
#define APUSK_RANDOM_MULTINOMIAL 3
// input[i] / (1 - ratio) with the probability 1 - ratio, else 0; mask says which. Where training is 0: input[i].
#define APUSK_RANDOM_DROPOUT 4

typedef struct apusk_random_args {
  const void *input;          // of BERNOULLI, MULTINOMIAL and DROPOUT
  const void *ratio;          // of DROPOUT: one number; NULL: 1 / 2
  const uint8_t *training;    // of DROPOUT: NULL: 0
  void *output;
  uint8_t *mask;              // of DROPOUT; may be NULL
  int64_t count;              // elements of the output
  int64_t classes;            // of MULTINOMIAL
  int64_t samples;            // of MULTINOMIAL
  double alpha;
  double beta;
  int32_t function;
  int32_t input_type;
  int32_t ratio_type;
  int32_t output_type;
  uint32_t seed;
  int32_t reserved;
} apusk_random_args;

// One unit: each number follows from the one before. Returns 0, 100 for an unknown level or function, 502 for an element
// type that has no kernel.
int32_t apusk_random_plan(int32_t level, const apusk_random_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
