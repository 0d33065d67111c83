// Conversions between double and the 8- and 4-bit floating formats, by exact arithmetic: the same result everywhere.
#ifndef APUSK_SMALL_FLOATS_H
#define APUSK_SMALL_FLOATS_H

#include "../include/apusk_cast.h"
#include "float_formats.h"

// How a format of at most 8 bits uses its codes.
typedef struct small_float {
  uint8_t mantissa;     // stored bits
  uint8_t bias;         // of the exponent
  uint8_t sign;         // the sign's bit
  uint8_t largest;      // code of the largest finite number
  uint8_t infinity;     // code of infinity; `nan` where the format has none
  uint8_t nan;          // code of a NaN; for float4e2m1, which has none, what ml_dtypes gives: -0
  uint8_t one_zero;     // whether the sign's bit alone is NaN, not -0 (the "uz" formats)
  uint8_t always_clamps;  // whether what is too large becomes the largest number even without saturation
} small_float;

static const small_float float8e4m3fn = {3, 7, 0x80, 0x7e, 0x7f, 0x7f, 0, 0};
static const small_float float8e4m3fnuz = {3, 8, 0x80, 0x7f, 0x80, 0x80, 1, 0};
static const small_float float8e5m2 = {2, 15, 0x80, 0x7b, 0x7c, 0x7e, 0, 0};
static const small_float float8e5m2fnuz = {2, 16, 0x80, 0x7f, 0x80, 0x80, 1, 0};
static const small_float float4e2m1 = {1, 1, 0x8, 0x7, 0x7, 0x8, 0, 1};

static inline double power_of_two(int exponent) { return double_of_bits((uint64_t)(exponent + 1023) << 52); }

static inline double double_of_small(uint8_t code, const small_float *format) {
  if (format->one_zero && code == format->nan) return double_of_bits(0x7ff8000000000000u);
  uint8_t magnitude = code & (uint8_t)(format->sign - 1);
  double sign = code & format->sign ? -1.0 : 1.0;
  if (magnitude > format->largest) {
    return magnitude == format->infinity && format->infinity != format->nan ? sign * double_of_bits(0x7ff0000000000000u)
                                                                           : double_of_bits(0x7ff8000000000000u);
  }
  int exponent = magnitude >> format->mantissa;
  int fraction = magnitude & ((1 << format->mantissa) - 1);
  if (exponent > 0) fraction += 1 << format->mantissa;
  return sign * (double)fraction * power_of_two((exponent > 0 ? exponent : 1) - format->bias - format->mantissa);
}

// Rounded once to nearest, ties to even. What is beyond the largest number after rounding, infinities too, becomes that number
// where `saturate` is set, else infinity, or NaN where the format has none.
static inline uint8_t small_of_double(double value, const small_float *format, int saturate) {
  uint64_t bits = bits_of_double(value);
  uint8_t sign = bits >> 63 ? format->sign : 0;
  bits &= 0x7fffffffffffffffu;
  if (bits > 0x7ff0000000000000u) return format->one_zero || format->always_clamps ? format->nan : sign | format->nan;
  uint32_t code = UINT8_MAX;
  int lowest = 1 - format->bias;
  int exponent = (int)(bits >> 52) - 1023;
  if (exponent < lowest) exponent = lowest;
  if (exponent < 64) {
    // A whole number of units of the last place, below 2^(mantissa + 1): adding 2^52 rounds to it.
    double units = double_of_bits(bits) * power_of_two(format->mantissa - exponent) + 0x1p52 - 0x1p52;
    code = ((uint32_t)(exponent - lowest) << format->mantissa) + (uint32_t)units;
  }
  if (code > format->largest) {
    if (saturate || format->always_clamps) return sign | format->largest;
    return format->one_zero ? format->nan : sign | format->infinity;
  }
  return code == 0 && format->one_zero ? 0 : sign | (uint8_t)code;
}

// float8e8m0: powers of two 2^(code - 127), and 255 for NaN.
static inline double double_of_e8m0(uint8_t code) {
  return code == 0xff ? double_of_bits(0x7ff8000000000000u) : power_of_two(code - 127);
}

// The magnitude of `value` as a power of two: the format has no sign. What is out of range, 0 and infinity too, becomes the
// nearest bound where `saturate` is set, else NaN.
static inline uint8_t e8m0_of_double(double value, int round_mode, int saturate) {
  uint64_t bits = bits_of_double(value) & 0x7fffffffffffffffu;
  if (bits > 0x7ff0000000000000u) return 0xff;
  int exponent = (int)(bits >> 52) - 1023 + 127;
  uint64_t fraction = bits & 0xfffffffffffffu;
  if (round_mode == APUSK_ROUND_UP) exponent += fraction != 0;
  if (round_mode == APUSK_ROUND_NEAREST) exponent += fraction >= 0x8000000000000u;
  if (exponent < 0) return saturate ? 0 : 0xff;
  if (exponent > 0xfe) return saturate ? 0xfe : 0xff;
  return (uint8_t)exponent;
}

#endif
