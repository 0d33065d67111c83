// Elementwise kernels: unary functions, binary arithmetic with broadcasting, per-channel affine maps.
#ifndef APUSK_ELEMENTWISE_H
#define APUSK_ELEMENTWISE_H

#include "apusk_element_type.h"
#include "apusk_level.h"
#include "apusk_tail.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- unary, float32 -------------------------------------------------------------------------------------------------

// Functions 1 ... 5 are the activations of apusk_tail.h (APUSK_ACTIVATION_RELU ... APUSK_ACTIVATION_CLIP), bit for bit.
// Largest errors, over all floats: see apusk_math.h; sqrt is correctly rounded, the rest are exact.
#define APUSK_UNARY_RELU 1
#define APUSK_UNARY_LEAKY_RELU 2
#define APUSK_UNARY_SIGMOID 3
#define APUSK_UNARY_TANH 4
#define APUSK_UNARY_CLIP 5
#define APUSK_UNARY_EXP 6
#define APUSK_UNARY_LOG 7
#define APUSK_UNARY_NEG 8
#define APUSK_UNARY_ABS 9
#define APUSK_UNARY_SQRT 10

// output[i] = f(input[i]) for i in 0 ..< count. output may be input (they don't overlap otherwise). A unit is an element.
typedef struct apusk_unary_args {
  const float *input;
  float *output;
  int64_t count;
  float alpha;  // of leaky_relu and clip
  float beta;   // of clip
} apusk_unary_args;

// Returns 0, or 100 for an unknown function or level.
int32_t apusk_unary_plan(int32_t level, int32_t function, const apusk_unary_args *args, apusk_plan *plan);

// ---- binary with broadcasting ---------------------------------------------------------------------------------------------

// output[i] = activation(a[i] op b[i]) over `rank` dimensions, outermost first; output is dense and row-major, a and b have
// strides in elements, 0 where they are broadcast, and innermost strides of 0 or 1. output may be a or b where that operand
// isn't broadcast. A unit is one element of the output.
typedef struct apusk_binary_args {
  const void *a;
  const void *b;
  void *output;
  int32_t rank;        // 1 ... 8
  int32_t activation;  // APUSK_ACTIVATION_* of apusk_tail.h: float32 only, NONE for other types
  float alpha;
  float beta;
  int64_t shape[APUSK_MAX_RANK];
  int64_t a_strides[APUSK_MAX_RANK];
  int64_t b_strides[APUSK_MAX_RANK];
} apusk_binary_args;

// Sets rank, shape and strides for ONNX's multidirectional broadcasting of two dense tensors, merging dimensions.
// Returns 0, 106 if they don't broadcast, 301 if more than 8 dimensions remain or a rank is above 64.
int32_t apusk_binary_set_shapes(
    apusk_binary_args *args, int32_t a_rank, const int64_t *a_shape, int32_t b_rank, const int64_t *b_shape);

#define APUSK_BINARY_ADD 0
#define APUSK_BINARY_SUB 1
#define APUSK_BINARY_MUL 2
#define APUSK_BINARY_DIV 3

// For float32, float64 and all integer types. Integer arithmetic wraps; integer division truncates toward zero,
// lowest / -1 wraps to lowest, and a divisor of 0 stops the kernel with fault 600 {operand 1, position = the element's
// flat index in the output, value 0, lower 1, upper = the type's largest value (at most INT64_MAX)}.
// Returns 0, 100 for an unknown function or level, 502 for an element type that has no kernel.
int32_t apusk_binary_plan(
    int32_t level, int32_t function, int32_t element_type, const apusk_binary_args *args, apusk_plan *plan);

// ---- affine per channel ---------------------------------------------------------------------------------------------------

// output[o, c, i] = activation(fma(input[o, c, i], scale[c], shift[c])), float32, over dense [outer, channels, inner]:
// inner = 1 is channels-last. With scale = gamma / sqrt(variance + epsilon), shift = beta - mean * scale it is
// BatchNormalization. output may be input. A unit is one element.
typedef struct apusk_affine_args {
  const float *input;
  const float *scale;  // [channels]
  const float *shift;  // [channels]
  float *output;
  int64_t outer;
  int64_t channels;
  int64_t inner;
  int32_t activation;  // APUSK_ACTIVATION_* of apusk_tail.h
  float alpha;
  float beta;
  int32_t reserved;
} apusk_affine_args;

// Returns 0, or 100 for an unknown activation or level.
int32_t apusk_affine_plan(int32_t level, const apusk_affine_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
