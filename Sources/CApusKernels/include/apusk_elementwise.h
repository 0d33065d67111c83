// Elementwise kernels: unary functions, binary functions and selection with broadcasting, per-channel affine maps.
#ifndef APUSK_ELEMENTWISE_H
#define APUSK_ELEMENTWISE_H

#include "apusk_element_type.h"
#include "apusk_level.h"
#include "apusk_tail.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- unary ----------------------------------------------------------------------------------------------------------

// Functions 1 ... 5 are the activations of apusk_tail.h (APUSK_ACTIVATION_RELU ... APUSK_ACTIVATION_CLIP), bit for bit.
//
// Those up to APUSK_UNARY_SHRINK have float32 versions for each level. Largest errors, against double precision: see
// apusk_math.h; ERF 1.02, SOFTPLUS 1.86, ELU with alpha = beta = gamma = 1 1.43 ulp of the result; GELU 8e-8 |x|;
// GELU_TANH, SWISH and MISH 1.4e-7 |x|; the others are exact or made of correctly rounded operations. All other functions,
// and all other element types, go through double precision and are rounded once: half a unit of the last place and the
// error of the C library, whose double precision functions of float64 elements may differ in the last place between
// machines.
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
#define APUSK_UNARY_CEIL 11
#define APUSK_UNARY_FLOOR 12
#define APUSK_UNARY_ROUND 13  // halves to even
#define APUSK_UNARY_RECIPROCAL 14
#define APUSK_UNARY_ERF 15
#define APUSK_UNARY_GELU 16       // x / 2 (1 + erf(x / sqrt 2))
#define APUSK_UNARY_GELU_TANH 17  // x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
#define APUSK_UNARY_SWISH 18      // x / (1 + e^-(alpha x))
#define APUSK_UNARY_MISH 19       // x tanh(log(1 + e^x))
#define APUSK_UNARY_SOFTPLUS 20   // log(1 + e^x)
#define APUSK_UNARY_ELU 21        // alpha (e^(beta x) - 1) below 0, else gamma x: Elu, Selu and Celu
#define APUSK_UNARY_HARD_SIGMOID 22      // alpha x + beta in 0 ... 1
#define APUSK_UNARY_HARD_SWISH 23        // x times (x / 6 + 1 / 2 in 0 ... 1)
#define APUSK_UNARY_SOFTSIGN 24          // x / (1 + |x|)
#define APUSK_UNARY_THRESHOLDED_RELU 25  // x above alpha, else 0
#define APUSK_UNARY_SHRINK 26            // x + alpha below -beta, x - alpha above beta, else 0
#define APUSK_UNARY_SIGN 27
#define APUSK_UNARY_SIN 28
#define APUSK_UNARY_COS 29
#define APUSK_UNARY_TAN 30
#define APUSK_UNARY_ASIN 31
#define APUSK_UNARY_ACOS 32
#define APUSK_UNARY_ATAN 33
#define APUSK_UNARY_SINH 34
#define APUSK_UNARY_COSH 35
#define APUSK_UNARY_ASINH 36
#define APUSK_UNARY_ACOSH 37
#define APUSK_UNARY_ATANH 38
#define APUSK_UNARY_QUOTIENT 39  // x / alpha
#define APUSK_UNARY_IS_NAN 40    // of floating types; the result is bool
#define APUSK_UNARY_IS_INF 41    // -inf where alpha is not 0, inf where beta is not 0; the result is bool
#define APUSK_UNARY_NOT 42          // of bool
#define APUSK_UNARY_BITWISE_NOT 43  // of integers
#define APUSK_UNARY_COUNT 44

// output[i] = f(input[i]) for i in 0 ..< count. output may be input where the types are as wide (they don't overlap
// otherwise). A unit is an element.
typedef struct apusk_unary_args {
  const void *input;
  void *output;
  int64_t count;
  double alpha;
  double beta;
  double gamma;
  int32_t function;      // set by apusk_unary_plan
  int32_t element_type;  // set by apusk_unary_plan
} apusk_unary_args;

// For float32, the other floating types of 8 bits and more, and, of NEG, ABS, SIGN, RELU, SHRINK, NOT and BITWISE_NOT, integers
// and bool. Integers wrap. Returns 0, 100 for an unknown function or level, 502 for an element type that has no kernel.
int32_t apusk_unary_plan(
    int32_t level, int32_t function, int32_t element_type, apusk_unary_args *args, apusk_plan *plan);

// ---- binary with broadcasting ---------------------------------------------------------------------------------------------

// output[i] = activation(a[i] op b[i]) over `rank` dimensions, outermost first; output is dense and row-major, a and b have
// strides in elements, 0 where they are broadcast, and innermost strides of 0 or 1. output may be a or b where that operand
// isn't broadcast and the result has its type. A unit is one element of the output.
typedef struct apusk_binary_args {
  const void *a;
  const void *b;
  void *output;
  int32_t rank;        // 1 ... 8
  int32_t activation;  // APUSK_ACTIVATION_* of apusk_tail.h: ADD, SUB, MUL and DIV of float32 only, NONE for all else
  float alpha;
  float beta;
  int32_t function;      // set by apusk_binary_plan
  int32_t element_type;  // set by apusk_binary_plan
  int64_t shape[APUSK_MAX_RANK];
  int64_t a_strides[APUSK_MAX_RANK];
  int64_t b_strides[APUSK_MAX_RANK];
} apusk_binary_args;

// Sets rank, shape and strides for ONNX's multidirectional broadcasting of two dense tensors, merging dimensions.
// Returns 0, 106 if they don't broadcast, 301 if more than 8 dimensions remain or a rank is above 64.
int32_t apusk_binary_set_shapes(
    apusk_binary_args *args, int32_t a_rank, const int64_t *a_shape, int32_t b_rank, const int64_t *b_shape);

// float32, float64 and all integers: 0 ... 3. Integer arithmetic wraps.
#define APUSK_BINARY_ADD 0
#define APUSK_BINARY_SUB 1
#define APUSK_BINARY_MUL 2
#define APUSK_BINARY_DIV 3  // integers: toward zero; lowest / -1 wraps to lowest
// float32, float64, int64. Integers modulo 2^64; a negative exponent gives the whole part. float32 is computed in double
// precision and rounded once.
#define APUSK_BINARY_POW 4
// float32, float64, int32, int64, uint64: 5 ... 9.
#define APUSK_BINARY_MOD 5   // the sign of the divisor
#define APUSK_BINARY_FMOD 6  // the sign of the dividend
#define APUSK_BINARY_MAX 7   // NaN where an operand is
#define APUSK_BINARY_MIN 8
#define APUSK_BINARY_PRELU 9  // b a below 0, else a
// All integers; the first three bool too.
#define APUSK_BINARY_AND 10
#define APUSK_BINARY_OR 11
#define APUSK_BINARY_XOR 12
#define APUSK_BINARY_SHIFT_LEFT 13   // logical; by the width or more: 0
#define APUSK_BINARY_SHIFT_RIGHT 14
// The result is bool. EQUAL: float32, float64, all integers, bool; the others float32, float64, int32, int64, uint64.
#define APUSK_BINARY_EQUAL 15
#define APUSK_BINARY_LESS 16
#define APUSK_BINARY_LESS_OR_EQUAL 17
#define APUSK_BINARY_COUNT 18

// An integer divisor of 0 (DIV, MOD, FMOD) stops the kernel with fault 600 {operand 1, position = the element's flat index in
// the output, value 0, lower 1, upper = the type's largest value (at most INT64_MAX)}.
// Returns 0, 100 for an unknown function or level, 502 for an element type that has no kernel.
int32_t apusk_binary_plan(
    int32_t level, int32_t function, int32_t element_type, apusk_binary_args *args, apusk_plan *plan);

// ---- selection with broadcasting ------------------------------------------------------------------------------------------

// output[i] = condition[i] ? x[i] : y[i]; shape and strides as of apusk_binary_args. A unit is one element of the output.
typedef struct apusk_where_args {
  const uint8_t *condition;
  const void *x;
  const void *y;
  void *output;
  int32_t rank;
  int32_t reserved;
  int64_t element_bytes;  // 1, 2, 4, 8 or 16
  int64_t shape[APUSK_MAX_RANK];
  int64_t condition_strides[APUSK_MAX_RANK];
  int64_t x_strides[APUSK_MAX_RANK];
  int64_t y_strides[APUSK_MAX_RANK];
} apusk_where_args;

// As apusk_binary_set_shapes.
int32_t apusk_where_set_shapes(
    apusk_where_args *args, int32_t condition_rank, const int64_t *condition_shape, int32_t x_rank, const int64_t *x_shape,
    int32_t y_rank, const int64_t *y_shape);

// Returns 0, 100 for an unknown level, 502 for another element size.
int32_t apusk_where_plan(int32_t level, const apusk_where_args *args, apusk_plan *plan);

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
