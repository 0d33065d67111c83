#include "unary_wide.h"

#include <math.h>
#include <stddef.h>

#include "../cast/wide.h"

#pragma STDC FP_CONTRACT OFF

// ---- real functions -------------------------------------------------------------------------------------------------------

typedef double real_function(double x, const apusk_unary_args *args);

#define REAL(name, expression)                                  \
  static double name(double x, const apusk_unary_args *args) { \
    (void)args;                                                 \
    return expression;                                          \
  }

static double clamped(double x, double low, double high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

static double sigmoid(double x) {
  double e = exp(-fabs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

static double softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }

static double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }

static double shrunk(double x, double bias, double threshold) {
  if (x < -threshold) return x + bias;
  return x > threshold ? x - bias : 0;
}

static const double sqrt_half = 0x1.6a09e667f3bcdp-1, sqrt_2_over_pi = 0x1.988453365de58p-1;

REAL(real_relu, x < 0 ? 0 : x)
REAL(real_leaky_relu, x < 0 ? args->alpha * x : x)
REAL(real_sigmoid, sigmoid(x))
REAL(real_tanh, tanh(x))
REAL(real_clip, clamped(x, args->alpha, args->beta))
REAL(real_exp, exp(x))
REAL(real_log, log(x))
REAL(real_neg, -x)
REAL(real_abs, fabs(x))
REAL(real_sqrt, sqrt(x))
REAL(real_ceil, ceil(x))
REAL(real_floor, floor(x))
REAL(real_round, rint(x))
REAL(real_reciprocal, 1 / x)
REAL(real_erf, erf(x))
REAL(real_gelu, 0.5 * x * erfc(-x * sqrt_half))
REAL(real_gelu_tanh, 0.5 * x * (1 + tanh(sqrt_2_over_pi * (x + 0.044715 * x * x * x))))
REAL(real_swish, x *sigmoid(args->alpha *x))
REAL(real_mish, x *tanh(softplus(x)))
REAL(real_softplus, softplus(x))
REAL(real_elu, x < 0 ? args->alpha * expm1(args->beta * x) : args->gamma * x)
REAL(real_hard_sigmoid, clamped(args->alpha *x + args->beta, 0, 1))
REAL(real_hard_swish, x *clamped(x / 6 + 0.5, 0, 1))
REAL(real_softsign, x / (1 + fabs(x)))
REAL(real_thresholded_relu, x > args->alpha || x != x ? x : 0)
REAL(real_shrink, shrunk(x, args->alpha, args->beta))
REAL(real_sign, sign(x))
REAL(real_sin, sin(x))
REAL(real_cos, cos(x))
REAL(real_tan, tan(x))
REAL(real_asin, asin(x))
REAL(real_acos, acos(x))
REAL(real_atan, atan(x))
REAL(real_sinh, sinh(x))
REAL(real_cosh, cosh(x))
REAL(real_asinh, asinh(x))
REAL(real_acosh, acosh(x))
REAL(real_atanh, atanh(x))
REAL(real_quotient, x / args->alpha)
REAL(real_is_nan, x != x)
REAL(real_is_inf, (args->alpha != 0 && x == -INFINITY) || (args->beta != 0 && x == INFINITY))

static real_function *const real_functions[APUSK_UNARY_COUNT] = {
    [APUSK_UNARY_RELU] = real_relu,
    [APUSK_UNARY_LEAKY_RELU] = real_leaky_relu,
    [APUSK_UNARY_SIGMOID] = real_sigmoid,
    [APUSK_UNARY_TANH] = real_tanh,
    [APUSK_UNARY_CLIP] = real_clip,
    [APUSK_UNARY_EXP] = real_exp,
    [APUSK_UNARY_LOG] = real_log,
    [APUSK_UNARY_NEG] = real_neg,
    [APUSK_UNARY_ABS] = real_abs,
    [APUSK_UNARY_SQRT] = real_sqrt,
    [APUSK_UNARY_CEIL] = real_ceil,
    [APUSK_UNARY_FLOOR] = real_floor,
    [APUSK_UNARY_ROUND] = real_round,
    [APUSK_UNARY_RECIPROCAL] = real_reciprocal,
    [APUSK_UNARY_ERF] = real_erf,
    [APUSK_UNARY_GELU] = real_gelu,
    [APUSK_UNARY_GELU_TANH] = real_gelu_tanh,
    [APUSK_UNARY_SWISH] = real_swish,
    [APUSK_UNARY_MISH] = real_mish,
    [APUSK_UNARY_SOFTPLUS] = real_softplus,
    [APUSK_UNARY_ELU] = real_elu,
    [APUSK_UNARY_HARD_SIGMOID] = real_hard_sigmoid,
    [APUSK_UNARY_HARD_SWISH] = real_hard_swish,
    [APUSK_UNARY_SOFTSIGN] = real_softsign,
    [APUSK_UNARY_THRESHOLDED_RELU] = real_thresholded_relu,
    [APUSK_UNARY_SHRINK] = real_shrink,
    [APUSK_UNARY_SIGN] = real_sign,
    [APUSK_UNARY_SIN] = real_sin,
    [APUSK_UNARY_COS] = real_cos,
    [APUSK_UNARY_TAN] = real_tan,
    [APUSK_UNARY_ASIN] = real_asin,
    [APUSK_UNARY_ACOS] = real_acos,
    [APUSK_UNARY_ATAN] = real_atan,
    [APUSK_UNARY_SINH] = real_sinh,
    [APUSK_UNARY_COSH] = real_cosh,
    [APUSK_UNARY_ASINH] = real_asinh,
    [APUSK_UNARY_ACOSH] = real_acosh,
    [APUSK_UNARY_ATANH] = real_atanh,
    [APUSK_UNARY_QUOTIENT] = real_quotient,
    [APUSK_UNARY_IS_NAN] = real_is_nan,
    [APUSK_UNARY_IS_INF] = real_is_inf,
};

// ---- integer functions ----------------------------------------------------------------------------------------------------

// Of the 64 bits of an element; results wrap when they are stored.
typedef uint64_t integer_function(uint64_t x, int is_signed, const apusk_unary_args *args);

#define INTEGER(name, expression)                                                    \
  static uint64_t name(uint64_t x, int is_signed, const apusk_unary_args *args) {    \
    (void)is_signed, (void)args;                                                     \
    return expression;                                                               \
  }

static int is_negative(uint64_t x, int is_signed) { return is_signed && x >> 63; }

static uint64_t shrunk_integer(uint64_t x, int is_signed, double bias, double threshold) {
  double y = shrunk(is_signed ? (double)(int64_t)x : (double)x, bias, threshold);
  if (y >= 0) return y >= 0x1p64 ? UINT64_MAX : (uint64_t)y;
  return (uint64_t)(y <= -0x1p63 ? INT64_MIN : (int64_t)y);
}

INTEGER(integer_relu, is_negative(x, is_signed) ? 0 : x)
INTEGER(integer_neg, 0 - x)
INTEGER(integer_abs, is_negative(x, is_signed) ? 0 - x : x)
INTEGER(integer_sign, is_negative(x, is_signed) ? UINT64_MAX : x != 0)
INTEGER(integer_shrink, shrunk_integer(x, is_signed, args->alpha, args->beta))
INTEGER(integer_bitwise_not, ~x)
INTEGER(integer_not, !x)

static integer_function *const integer_functions[APUSK_UNARY_COUNT] = {
    [APUSK_UNARY_RELU] = integer_relu,
    [APUSK_UNARY_NEG] = integer_neg,
    [APUSK_UNARY_ABS] = integer_abs,
    [APUSK_UNARY_SIGN] = integer_sign,
    [APUSK_UNARY_SHRINK] = integer_shrink,
    [APUSK_UNARY_BITWISE_NOT] = integer_bitwise_not,
    [APUSK_UNARY_NOT] = integer_not,
};

// ---- the kernel -----------------------------------------------------------------------------------------------------------

int apusk_unary_wide_has(int32_t function, int32_t element_type) {
  if (function < 0 || function >= APUSK_UNARY_COUNT || apusk_wide_bits(element_type) < 8) return 0;
  if (apusk_wide_of(element_type) == apusk_wide_float) return real_functions[function] != NULL;
  return integer_functions[function] != NULL;
}

int32_t apusk_unary_wide_kernel(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_unary_args *args = args_;
  (void)worker;
  int32_t type = args->element_type, function = args->function;
  apusk_wide kind = apusk_wide_of(type);
  int32_t result = function == APUSK_UNARY_IS_NAN || function == APUSK_UNARY_IS_INF ? APUSK_BOOL : type;
  const apusk_wide_rounding rounding = {.saturate = 1};
  apusk_wide_block block;
  for (int64_t at = begin; at < end; at += apusk_wide_block_size) {
    int64_t count = end - at < apusk_wide_block_size ? end - at : apusk_wide_block_size;
    apusk_wide_load(&block, args->input, at, count, type);
    if (kind == apusk_wide_float) {
      for (int64_t n = 0; n < count; n++) block.f[n] = real_functions[function](block.f[n], args);
    } else {
      for (int64_t n = 0; n < count; n++) {
        block.u[n] = integer_functions[function](block.u[n], kind == apusk_wide_signed, args);
      }
    }
    apusk_wide_store(args->output, at, &block, count, kind, result, rounding);
  }
  return 0;
}
