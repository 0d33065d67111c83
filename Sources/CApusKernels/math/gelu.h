// x Phi(x), Gaussian error linear units, of 16 floats. Included inside a file of kernels, after its isa_*.h.
#ifndef APUSK_GELU_H
#define APUSK_GELU_H

#include "vectors.h"

#if APUSK_ISA == 0
#define gelu16 apusk_gelu16
f32x16 gelu16(f32x16 x);
#endif

#if APUSK_HAS_MATH_BODIES

// table[index & 15] for each lane.
APUSK_INLINE f32x16 look_up16(const float table[16], i32x16 index) {
#if APUSK_ISA == 2
  return (f32x16)_mm512_permutexvar_ps((__m512i)index, _mm512_load_ps(table));
#elif APUSK_ISA == 1
  const __m256 low = _mm256_load_ps(table), high = _mm256_load_ps(table + 8);
  f32x16 found;
#define LOOK_UP_HALF(half)                                                                                 \
  found.half = (f32x8)_mm256_blendv_ps(                                                                    \
      _mm256_permutevar8x32_ps(low, (__m256i)index.half), _mm256_permutevar8x32_ps(high, (__m256i)index.half), \
      _mm256_castsi256_ps(_mm256_slli_epi32((__m256i)index.half, 28)));
  LOOK_UP_HALF(lo)
  LOOK_UP_HALF(hi)
#undef LOOK_UP_HALF
  return found;
#else
  f32x16 found;
  for (int lane = 0; lane < APUSK_LANES; lane++) found[lane] = table[index[lane] & 15];
  return found;
#endif
}

// With a = |x| the result is x / 2 + a H(a), H(a) = Phi(a) - 1/2 = erf(a / sqrt 2) / 2, which is 1/2 in floats from 5.5 on.
// H is a polynomial of r = a - 0.375 n about the nearest n in 0 ... 15, |r| <= 0.1875: minimax fits, coefficients rounded to
// float one after the other, the lowest first.
APUSK_MATH_FUNCTION f32x16 gelu16(f32x16 x) {
  static const _Alignas(64) float coefficients[6][16] = {
      {0.0f, 0x1.2b5b0ep-3f, 0x1.17efp-2f, 0x1.7a9412p-2f, 0x1.bb96e4p-2f, 0x1.e0dfc6p-2f,
       0x1.f37b6ep-2f, 0x1.fb9046p-2f, 0x1.fe9e22p-2f, 0x1.ff9f4p-2f, 0x1.ffe8d2p-2f, 0x1.fffb24p-2f,
       0x1.ffff1cp-2f, 0x1.ffffdcp-2f, 0x1.fffffap-2f, 0x1p-1f},
      {0x1.988454p-2f, 0x1.7cc794p-2f, 0x1.345d6p-2f, 0x1.b1ec62p-3f, 0x1.094086p-3f, 0x1.19bfa4p-4f,
       0x1.0402ep-5f, 0x1.a0f22cp-7f, 0x1.227214p-8f, 0x1.5f90f6p-10f, 0x1.71b92ep-12f, 0x1.51cfa6p-14f,
       0x1.0c29a6p-16f, 0x1.71e578p-19f, 0x1.bb4a8cp-22f, 0.0f},
      {-0x1.fa7f9ep-20f, -0x1.1d944ap-4f, -0x1.ce8accp-4f, -0x1.e825b2p-4f, -0x1.8ddf0ap-4f, -0x1.08223p-4f,
       -0x1.2487cp-5f, -0x1.119b5p-6f, -0x1.b3b0f4p-8f, -0x1.28cfb6p-9f, -0x1.59d5a8p-11f, -0x1.5c26c6p-13f,
       -0x1.2df494p-15f, -0x1.1b2ecp-17f, 0x1.05c586p-19f, 0.0f},
      {-0x1.1024e4p-4f, -0x1.b44c24p-5f, -0x1.67c7e2p-6f, 0x1.335908p-7f, 0x1.ba132ep-6f, 0x1.d8832ep-6f,
       0x1.6019a6p-6f, 0x1.9959acp-7f, 0x1.8343b8p-8f, 0x1.306a7ep-9f, 0x1.92734ap-11f, 0x1.c2d56ap-13f,
       0x1.ae1ea6p-15f, 0x1.5ecd7p-17f, 0x1.ea7918p-20f, 0.0f},
      {-0x1.a53456p-12f, 0x1.0e1fdap-6f, 0x1.75900ap-6f, 0x1.179696p-6f, 0x1.8c4a16p-8f, -0x1.6a001ap-9f,
       -0x1.8beb5cp-8f, -0x1.63c35ep-8f, -0x1.b2e0acp-9f, -0x1.9688b4p-10f, -0x1.5826e6p-11f, -0x1.a19af2p-13f,
       -0x1.b0874cp-15f, 0x1.36b368p-15f, -0x1.72d8dp-14f, 0.0f},
      {0x1.6765f4p-7f, 0x1.b64372p-8f, -0x1.ca3edp-14f, -0x1.577224p-8f, -0x1.7e38d8p-8f, -0x1.ae3992p-9f,
       -0x1.f1373cp-12f, 0x1.f58944p-11f, 0x1.213e4ap-10f, 0x1.7988e2p-11f, 0x1.6831dp-12f, 0x1.0e3522p-13f,
       0x1.4a441ap-15f, 0x1.4d6d26p-17f, 0x1.1a018ap-19f, 0.0f},
  };
  const f32x16 round_to_integer = splat(0x1.8p23f);  // adding it leaves the integer in the low bits
  f32x16 magnitude = abs16(x);
  f32x16 a = magnitude > 5.625f ? splat(5.625f) : magnitude;
  f32x16 shifted = fma16(a, splat(0x1.555556p+1f), round_to_integer);
  f32x16 r = fma16(shifted - round_to_integer, splat(-0.375f), a);
  i32x16 n = bits_of(shifted);
  f32x16 h = look_up16(coefficients[5], n);
  h = fma16(h, r, look_up16(coefficients[4], n));
  h = fma16(h, r, look_up16(coefficients[3], n));
  h = fma16(h, r, look_up16(coefficients[2], n));
  h = fma16(h, r, look_up16(coefficients[1], n));
  h = fma16(h, r, look_up16(coefficients[0], n));
  return fma16(magnitude, h, 0.5f * x);
}

#endif

#endif
