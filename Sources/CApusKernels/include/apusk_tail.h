// The fused end of a matrix product or convolution: scale, bias, residual, activation.
#ifndef APUSK_TAIL_H
#define APUSK_TAIL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Activations, v -> y, all in fp32. Comparisons with NaN are false, so NaN passes through each of them.
#define APUSK_ACTIVATION_NONE 0
#define APUSK_ACTIVATION_RELU 1        // v < 0 ? +0 : v          (so -0 stays -0)
#define APUSK_ACTIVATION_LEAKY_RELU 2  // v < 0 ? alpha * v : v
#define APUSK_ACTIVATION_SIGMOID 3     // apusk_math's sigmoid
#define APUSK_ACTIVATION_TANH 4        // apusk_math's tanh
#define APUSK_ACTIVATION_CLIP 5        // t = v < alpha ? alpha : v;  y = t > beta ? beta : t   (alpha low, beta high)
#define APUSK_ACTIVATION_HARD_SIGMOID 6  // CLIP of alpha * v + beta between 0 and 1
#define APUSK_ACTIVATION_HARD_SWISH 7    // v times that
#define APUSK_ACTIVATION_SWISH 8         // v / (1 + e^-(alpha * v)); alpha = 1 is SiLU
#define APUSK_ACTIVATION_GELU 9          // v * Phi(v), as APUSK_UNARY_GELU
#define APUSK_ACTIVATION_COUNT 10

// From the sum `acc` of row i and column j, every operation rounded to fp32 by itself, in this order:
//
//   v = scale * acc
//   v = v + bias[j]                       (skipped where bias is NULL)
//   v = v + residual_scale * residual[i * residual_row_stride + j * residual_column_stride]     (skipped where NULL)
//   y = activation(v)
//
// `acc` itself starts at +0 and never holds the bias. A row stride of 0 repeats one row, a column stride of 0 one
// column. The residual may not overlap the output. Strides count elements.
typedef struct apusk_tail {
  const float *bias;
  const float *residual;
  int64_t residual_row_stride;
  int64_t residual_column_stride;
  float scale;
  float residual_scale;
  int32_t activation;
  float alpha;
  float beta;
} apusk_tail;

// A tail that hands the sum through unchanged.
static inline apusk_tail apusk_tail_none(void) {
  apusk_tail tail = {0};
  tail.residual_column_stride = 1;
  tail.scale = 1.0f;
  tail.residual_scale = 1.0f;
  return tail;
}

#ifdef __cplusplus
}
#endif
#endif
