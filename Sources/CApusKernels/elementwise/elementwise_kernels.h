// Template: the elementwise kernels of the level of the file that includes it.
#include "affine_kernels.h"
#include "binary_f32_kernels.h"
#include "unary_kernels.h"

const apusk_elementwise_level APUSK_ISA_NAME(apusk_elementwise) = {
    .unary_f32 =
        {
            [APUSK_UNARY_RELU] = relu,
            [APUSK_UNARY_LEAKY_RELU] = leaky_relu,
            [APUSK_UNARY_SIGMOID] = sigmoid,
            [APUSK_UNARY_TANH] = hyperbolic_tangent,
            [APUSK_UNARY_CLIP] = clip,
            [APUSK_UNARY_EXP] = exponential,
            [APUSK_UNARY_LOG] = logarithm,
            [APUSK_UNARY_NEG] = negation,
            [APUSK_UNARY_ABS] = absolute,
            [APUSK_UNARY_SQRT] = square_root,
            [APUSK_UNARY_CEIL] = ceiling,
            [APUSK_UNARY_FLOOR] = flooring,
            [APUSK_UNARY_ROUND] = rounding,
            [APUSK_UNARY_RECIPROCAL] = reciprocal,
            [APUSK_UNARY_ERF] = error_function,
            [APUSK_UNARY_GELU] = gelu,
            [APUSK_UNARY_GELU_TANH] = gelu_tanh,
            [APUSK_UNARY_SWISH] = swish,
            [APUSK_UNARY_MISH] = mish,
            [APUSK_UNARY_SOFTPLUS] = softplus,
            [APUSK_UNARY_ELU] = elu,
            [APUSK_UNARY_HARD_SIGMOID] = hard_sigmoid,
            [APUSK_UNARY_HARD_SWISH] = hard_swish,
            [APUSK_UNARY_SOFTSIGN] = softsign,
            [APUSK_UNARY_THRESHOLDED_RELU] = thresholded_relu,
            [APUSK_UNARY_SHRINK] = shrink,
        },
    .binary_f32 =
        {
            [APUSK_BINARY_ADD] = add_f32,
            [APUSK_BINARY_SUB] = sub_f32,
            [APUSK_BINARY_MUL] = mul_f32,
            [APUSK_BINARY_DIV] = div_f32,
        },
    .affine_f32 = affine_f32,
};
