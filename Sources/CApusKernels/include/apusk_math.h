// exp, log, tanh and sigmoid over arrays of floats, made of fma, +, *, / and bit operations in one stated order
// (Sources/CApusKernels/math/functions.h): the same bits on every level, wherever an element stands in the array.
// Kernels use them; programs run them as steps through apusk_elementwise.h.
#ifndef APUSK_MATH_H
#define APUSK_MATH_H

#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// output may be input; they don't overlap otherwise. Callers make sure that the CPU has the level.
typedef void apusk_math_function(float *output, const float *input, int64_t count);

// e^x, error at most 1.02 ulp. Subnormal results are rounded once; overflow gives inf.
apusk_math_function apusk_exp_f32_portable, apusk_exp_f32_avx2, apusk_exp_f32_avx512;
// Natural logarithm, at most 0.84 ulp: -inf at 0 and -0, NaN below, inf at inf.
apusk_math_function apusk_log_f32_portable, apusk_log_f32_avx2, apusk_log_f32_avx512;
// At most 1.34 ulp; -0 at -0.
apusk_math_function apusk_tanh_f32_portable, apusk_tanh_f32_avx2, apusk_tanh_f32_avx512;
// 1 / (1 + e^-x), at most 2.41 ulp, down to the last subnormal on the negative side.
apusk_math_function apusk_sigmoid_f32_portable, apusk_sigmoid_f32_avx2, apusk_sigmoid_f32_avx512;

// v[r * stride + i] = activation(v[r * stride + i]) for r = 0 ..< rows, i = 0 ..< count, an APUSK_ACTIVATION_* of apusk_tail.h.
typedef void apusk_activation_function(float *v, int64_t rows, int64_t stride, int64_t count, int32_t activation,
                                       float alpha, float beta);
apusk_activation_function apusk_activate_f32_portable, apusk_activate_f32_avx2, apusk_activate_f32_avx512;

#ifdef __cplusplus
}
#endif
#endif
