// exp, log, tanh and sigmoid of 16 floats. Included inside a file of kernels, after its isa_*.h.
//
// Each is one sequence of rounded operations without a branch, so that all levels give the same bits. Largest errors, measured
// over all floats against double precision: exp 1.02, log 0.84, tanh 1.34, sigmoid 2.41 ulp of the result.
// Polynomials: minimax fits of the relative error (Remez, Lawson) made for these intervals, coefficients rounded to float.
#ifndef APUSK_FUNCTIONS_H
#define APUSK_FUNCTIONS_H

#include "vectors.h"

#if APUSK_ISA == 0
#define exp16 apusk_exp16
#define exp_of_negative16 apusk_exp_of_negative16
#define log16 apusk_log16
#define tanh16 apusk_tanh16
#define sigmoid16 apusk_sigmoid16
#define swish16 apusk_swish16
f32x16 exp16(f32x16 x), exp_of_negative16(f32x16 x), log16(f32x16 x), tanh16(f32x16 x), sigmoid16(f32x16 x);
f32x16 swish16(f32x16 x, float alpha);
#endif

#if APUSK_HAS_MATH_BODIES

// e^x = 2^n * e^r with n = round(x / ln 2), r = x - n ln 2 in two parts, |r| <= ln 2 / 2. `shifted` holds n in its low bits.
APUSK_INLINE f32x16 exp_of_remainder16(f32x16 x, f32x16 *shifted) {
  const f32x16 round_to_integer = splat(0x1.8p23f);  // adding it leaves the integer in the low bits
  *shifted = fma16(x, splat(0x1.715476p+0f), round_to_integer);
  f32x16 n = *shifted - round_to_integer;
  f32x16 r = fma16(n, splat(-0x1.62e4p-1f), x);
  r = fma16(n, splat(-0x1.7f7d1cp-20f), r);
  f32x16 q = splat(0x1.6ac74cp-10f);
  q = fma16(q, r, splat(0x1.123dep-7f));
  q = fma16(q, r, splat(0x1.555858p-5f));
  q = fma16(q, r, splat(0x1.55548cp-3f));
  q = fma16(q, r, splat(0x1.fffffcp-2f));
  return fma16(r * r, q, r) + 1.0f;
}

// Beyond -104 all results round to 0, beyond 89 to inf.
APUSK_MATH_FUNCTION f32x16 exp16(f32x16 x) {
  x = x > 89.0f ? splat(89.0f) : x;
  x = x < -104.0f ? splat(-104.0f) : x;
  f32x16 shifted, y = exp_of_remainder16(x, &shifted);
  // 2^n in two factors, neither of which over- or underflows: only the last product rounds, and subnormal results round once.
  i32x16 exponent = bits_of(shifted) - bits_of(splat(0x1.8p23f));
  i32x16 half = exponent >> 1;
  f32x16 first = float_of_bits((half + 127) << 23);
  f32x16 second = float_of_bits((exponent - half + 127) << 23);
  return y * first * second;
}

// The weights of softmax: e^x for x <= 0, as exp16 down to -87, and 0 below, where exp16 is less than 2^-125.
APUSK_MATH_FUNCTION f32x16 exp_of_negative16(f32x16 x) {
  f32x16 shifted, y = exp_of_remainder16(x, &shifted);
  y *= float_of_bits((bits_of(shifted) + 127) << 23);
  return x < -87.0f ? splat(0.0f) : y;
}

// log x = k ln 2 + log m with sqrt(1/2) <= m < sqrt 2; f = m - 1; log m = f - f^2 / 2 + f^3 R(f).
APUSK_MATH_FUNCTION f32x16 log16(f32x16 x) {
  i32x16 subnormal = x < 0x1p-126f;
  f32x16 scaled = subnormal ? x * 0x1p23f : x;
  i32x16 exponent = (bits_of(scaled) - 0x3f3504f3) >> 23;
  f32x16 f = float_of_bits(bits_of(scaled) - (exponent << 23)) - 1.0f;
  f32x16 k = __builtin_convertvector(exponent - (subnormal & 23), f32x16);
  f32x16 r = splat(0x1.1457a6p-4f);
  r = fma16(r, f, splat(-0x1.de3c16p-4f));
  r = fma16(r, f, splat(0x1.e6f06ap-4f));
  r = fma16(r, f, splat(-0x1.fc2208p-4f));
  r = fma16(r, f, splat(0x1.233768p-3f));
  r = fma16(r, f, splat(-0x1.555c4ep-3f));
  r = fma16(r, f, splat(0x1.99a4b6p-3f));
  r = fma16(r, f, splat(-0x1.000006p-2f));
  r = fma16(r, f, splat(0x1.555548p-2f));
  f32x16 square = f * f;
  f32x16 y = square * f * r;
  y = fma16(k, splat(0x1.7f7d1cp-20f), y);
  y = fma16(square, splat(-0.5f), y);
  y = fma16(k, splat(0x1.62e4p-1f), f + y);
  y = x < 0.0f ? splat(NAN) : y;
  y = x == 0.0f ? splat(-INFINITY) : y;
  return x < INFINITY ? y : x;  // inf and NaN are their own logarithms
}

// x + x^3 P(x^2) below 0.625, beyond it 1 - 2 / (e^2|x| + 1); the sign is that of x, also for 0.
APUSK_MATH_FUNCTION f32x16 tanh16(f32x16 x) {
  f32x16 magnitude = abs16(x);
  f32x16 square = x * x;
  f32x16 p = splat(0x1.1a2816p-9f);
  p = fma16(p, square, splat(-0x1.0c5edp-7f));
  p = fma16(p, square, splat(0x1.63a55p-6f));
  p = fma16(p, square, splat(-0x1.b9f188p-5f));
  p = fma16(p, square, splat(0x1.11107ap-3f));
  p = fma16(p, square, splat(-0x1.555554p-2f));
  f32x16 small = fma16(x * square, p, x);
  f32x16 large = 1.0f - 2.0f / (exp16(magnitude + magnitude) + 1.0f);
  f32x16 y = magnitude < 0.625f ? small : large;
  return float_of_bits(bits_of(y) | (bits_of(x) & INT32_MIN));
}

// With e = e^-|x|, which never overflows: 1 / (1 + e), for negative x e / (1 + e).
APUSK_MATH_FUNCTION f32x16 sigmoid16(f32x16 x) {
  f32x16 e = exp16(-abs16(x));
  f32x16 numerator = x < 0.0f ? e : splat(1.0f);
  return numerator / (1.0f + e);
}

// x / (1 + e^-u), u = alpha x. Above 30 the power adds nothing to 1; below -89 the sum is inf, and the result -0. The power is
// had in halves, which do not overflow: e^-u / 2 = 2^n * e^-r with n = round(-u / ln 2) - 1. Beside the 1 it need not be as
// exact as exp16: ln 2 in one part, and a polynomial one term shorter, leave the largest error in units of |x| as it was.
APUSK_MATH_FUNCTION f32x16 swish16(f32x16 x, float alpha) {
  f32x16 u = alpha * x;
  u = u < -89.0f ? splat(-89.0f) : u;
  u = u > 30.0f ? splat(30.0f) : u;
  const f32x16 round_to_integer = splat(0x1.8p23f - 1.0f);
  f32x16 shifted = fma16(u, splat(-0x1.715476p+0f), round_to_integer);
  f32x16 r = fma16(shifted - round_to_integer, splat(0x1.62e43p-1f), u);
  f32x16 p = splat(-0x1.0f9f68p-7f);
  p = fma16(p, r, splat(0x1.573adp-5f));
  p = fma16(p, r, splat(-0x1.555a82p-3f));
  p = fma16(p, r, splat(0x1.fffdc4p-2f));
  p = fma16(p, r, splat(-0x1.fffff6p-1f));
  p = fma16(p, r, splat(1.0f));
  f32x16 half = float_of_bits(bits_of(p) + (bits_of(shifted) << 23));
  return x / fma16(half, splat(2.0f), splat(1.0f));
}

#endif

#endif
