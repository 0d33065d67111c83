// Further functions of 16 floats that activations are made of. Included inside a file of kernels, after its isa_*.h.
//
// Largest errors, measured over all floats against double precision, are in apusk_elementwise.h.
#ifndef APUSK_ACTIVATION_FUNCTIONS_H
#define APUSK_ACTIVATION_FUNCTIONS_H

#include "functions.h"

#if APUSK_ISA == 0
#define expm1_16 apusk_expm1_16
#define softplus16 apusk_softplus16
#define mish16 apusk_mish16
#define erf16 apusk_erf16
f32x16 expm1_16(f32x16 x), softplus16(f32x16 x), mish16(f32x16 x), erf16(f32x16 x);
#endif

#if APUSK_HAS_MATH_BODIES

// e^x - 1: below ln 2 / 2 the polynomial of exp16 without its last addition, which would cancel.
APUSK_MATH_FUNCTION f32x16 expm1_16(f32x16 x) {
  f32x16 q = splat(0x1.6ac74cp-10f);
  q = fma16(q, x, splat(0x1.123dep-7f));
  q = fma16(q, x, splat(0x1.555858p-5f));
  q = fma16(q, x, splat(0x1.55548cp-3f));
  q = fma16(q, x, splat(0x1.fffffcp-2f));
  return abs16(x) < 0x1.62e43p-2f ? fma16(x * x, q, x) : exp16(x) - 1.0f;
}

// log(1 + e^x) = max(x, 0) + log(1 + e), e = e^-|x|; the second term puts back what 1 + e rounds away.
APUSK_MATH_FUNCTION f32x16 softplus16(f32x16 x) {
  f32x16 e = exp16(-abs16(x));
  f32x16 u = 1.0f + e;
  return (x < 0.0f ? splat(0.0f) : x) + (log16(u) + (e - (u - 1.0f)) / u);
}

// tanh(log(1 + e^x)) = n / (n + 2) with n = e (e + 2), e = e^x: 1 long before e overflows.
APUSK_MATH_FUNCTION f32x16 mish16(f32x16 x) {
  f32x16 e = exp16(x > 20.0f ? splat(20.0f) : x);
  f32x16 n = e * (e + 2.0f);
  return x * (n / (n + 2.0f));
}

// x + x P(x^2) below 1; beyond it 1 - e^-Q(|x|), which is 1 from 4 on. Polynomials: as in functions.h.
APUSK_MATH_FUNCTION f32x16 erf16(f32x16 x) {
  f32x16 magnitude = abs16(x);
  f32x16 square = x * x;
  f32x16 p = splat(0x1.496a32p-14f);
  p = fma16(p, square, splat(-0x1.a3f7p-11f));
  p = fma16(p, square, splat(0x1.5405b2p-8f));
  p = fma16(p, square, splat(-0x1.b7f90ep-6f));
  p = fma16(p, square, splat(0x1.ce2cf8p-4f));
  p = fma16(p, square, splat(-0x1.81273ep-2f));
  p = fma16(p, square, splat(0x1.06eba8p-3f));
  f32x16 small = fma16(x, p, x);
  f32x16 a = magnitude > 4.0f ? splat(4.0f) : magnitude;
  f32x16 q = splat(-0x1.852d4cp-13f);
  q = fma16(q, a, splat(0x1.814cdcp-9f));
  q = fma16(q, a, splat(-0x1.654222p-6f));
  q = fma16(q, a, splat(0x1.a60a84p-4f));
  q = fma16(q, a, splat(0x1.46c584p-1f));
  q = fma16(q, a, splat(0x1.2085b2p+0f));
  q = fma16(q, a, splat(0x1.72e6cep-12f));
  f32x16 large = 1.0f - exp_of_negative16(-q);
  large = float_of_bits(bits_of(large) | (bits_of(x) & INT32_MIN));
  return magnitude < 1.0f ? small : large;
}

#endif

APUSK_INLINE f32x16 gelu_tanh16(f32x16 x) {
  f32x16 inner = 0x1.988454p-1f * (x + 0.044715f * x * x * x);
  return 0.5f * x * (1.0f + tanh16(inner));
}

#endif
