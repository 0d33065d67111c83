// Template: unary functions of float32 arrays.
#include "../math/activation.h"
#include "../math/activation_functions.h"

#define UNARY_KERNEL(name, expression)                                                                \
  static int32_t name(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {          \
    const apusk_unary_args *args = args_;                                                             \
    (void)worker;                                                                                     \
    const float alpha = (float)args->alpha, beta = (float)args->beta, gamma = (float)args->gamma;     \
    const float *input = args->input;                                                                 \
    float *output = args->output;                                                                     \
    (void)alpha, (void)beta, (void)gamma;                                                             \
    int64_t i = begin;                                                                                \
    for (; i + APUSK_LANES <= end; i += APUSK_LANES) {                                                \
      f32x16 x = load16(input + i);                                                                   \
      store16(output + i, expression);                                                                \
    }                                                                                                 \
    if (i < end) {                                                                                    \
      f32x16 x = load_part(input + i, end - i);                                                       \
      store_part(output + i, expression, end - i);                                                    \
    }                                                                                                 \
    return 0;                                                                                         \
  }

// The functions that have an array form already.
#define UNARY_ARRAY_KERNEL(name, function)                                                            \
  static int32_t name(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {          \
    const apusk_unary_args *args = args_;                                                             \
    (void)worker;                                                                                     \
    const float *input = args->input;                                                                 \
    float *output = args->output;                                                                     \
    APUSK_ISA_NAME(function)(output + begin, input + begin, end - begin);                             \
    return 0;                                                                                         \
  }

UNARY_KERNEL(relu, activate16(x, APUSK_ACTIVATION_RELU, alpha, beta))
UNARY_KERNEL(leaky_relu, activate16(x, APUSK_ACTIVATION_LEAKY_RELU, alpha, beta))
UNARY_KERNEL(clip, activate16(x, APUSK_ACTIVATION_CLIP, alpha, beta))
UNARY_KERNEL(negation, float_of_bits(bits_of(x) ^ INT32_MIN))
UNARY_KERNEL(absolute, abs16(x))
UNARY_KERNEL(square_root, __builtin_elementwise_sqrt(x))
UNARY_KERNEL(ceiling, __builtin_elementwise_ceil(x))
UNARY_KERNEL(flooring, __builtin_elementwise_floor(x))
UNARY_KERNEL(rounding, __builtin_elementwise_rint(x))
UNARY_KERNEL(reciprocal, 1.0f / x)
UNARY_KERNEL(error_function, erf16(x))
UNARY_KERNEL(gelu, gelu16(x))
UNARY_KERNEL(gelu_tanh, gelu_tanh16(x))
UNARY_KERNEL(swish, activate16(x, APUSK_ACTIVATION_SWISH, alpha, beta))
UNARY_KERNEL(mish, mish16(x))
UNARY_KERNEL(softplus, softplus16(x))
UNARY_KERNEL(elu, x < 0.0f ? alpha * expm1_16(beta * x) : gamma * x)
UNARY_KERNEL(hard_sigmoid, activate16(x, APUSK_ACTIVATION_HARD_SIGMOID, alpha, beta))
UNARY_KERNEL(hard_swish, activate16(x, APUSK_ACTIVATION_HARD_SWISH, 1.0f / 6.0f, 0.5f))
UNARY_KERNEL(softsign, x / (1.0f + abs16(x)))
UNARY_KERNEL(thresholded_relu, x <= alpha ? splat(0.0f) : x)
UNARY_KERNEL(shrink, x < -beta ? x + alpha : x > beta ? x - alpha : splat(0.0f))
UNARY_ARRAY_KERNEL(sigmoid, apusk_sigmoid_f32)
UNARY_ARRAY_KERNEL(hyperbolic_tangent, apusk_tanh_f32)
UNARY_ARRAY_KERNEL(exponential, apusk_exp_f32)
UNARY_ARRAY_KERNEL(logarithm, apusk_log_f32)

#undef UNARY_KERNEL
#undef UNARY_ARRAY_KERNEL
