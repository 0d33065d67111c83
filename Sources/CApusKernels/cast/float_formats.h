// Conversions between double and the 16-bit floating formats, by bits: the same result whatever the CPU has.
#ifndef APUSK_FLOAT_FORMATS_H
#define APUSK_FLOAT_FORMATS_H

#include <stdint.h>
#include <string.h>

static inline uint64_t bits_of_double(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline double double_of_bits(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// A 16-bit format with `mantissa` stored bits and an exponent bias of `bias`, as a double: exact.
static inline double double_of_format16(uint16_t bits, int mantissa, int bias) {
  const int exponent_mask = (0x7fff >> mantissa);
  uint64_t sign = (uint64_t)(bits & 0x8000) << 48;
  int exponent = bits >> mantissa & exponent_mask;
  uint64_t fraction = bits & ((1u << mantissa) - 1);
  if (exponent == exponent_mask) return double_of_bits(sign | 0x7ff0000000000000u | fraction << (52 - mantissa));
  if (exponent == 0) {
    double unit = double_of_bits((uint64_t)(1023 + 1 - bias - mantissa) << 52);
    return (sign ? -1.0 : 1.0) * (double)fraction * unit;
  }
  return double_of_bits(sign | (uint64_t)(exponent - bias + 1023) << 52 | fraction << (52 - mantissa));
}

// The reverse, rounded once to nearest, ties to even; overflow gives infinity, NaN a quiet NaN.
static inline uint16_t format16_of_double(double value, int mantissa, int bias) {
  uint64_t bits = bits_of_double(value);
  uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
  uint16_t infinity = (uint16_t)((0x7fff >> mantissa) << mantissa);
  bits &= 0x7fffffffffffffffu;
  if (bits > 0x7ff0000000000000u) return sign | infinity | (uint16_t)(1u << (mantissa - 1));
  if (bits < (uint64_t)(1023 + 1 - bias) << 52) {
    // Below the smallest normal number: a whole number of units of 2^(1 - bias - mantissa).
    double units = double_of_bits(bits) * double_of_bits((uint64_t)(1023 - 1 + bias + mantissa) << 52);
    // Adding 2^52 leaves no room for a fraction, so the sum is rounded to a whole number.
    return sign | (uint16_t)(units + 0x1p52 - 0x1p52);
  }
  int dropped = 52 - mantissa;
  bits += (bits >> dropped & 1) + ((1ull << (dropped - 1)) - 1);
  uint64_t result = (bits >> dropped) - ((uint64_t)(1023 - bias) << mantissa);
  return sign | (result >= infinity ? infinity : (uint16_t)result);
}

static inline double double_of_half(uint16_t bits) { return double_of_format16(bits, 10, 15); }
static inline double double_of_bfloat(uint16_t bits) { return double_of_format16(bits, 7, 127); }
static inline uint16_t half_of_double(double value) { return format16_of_double(value, 10, 15); }
static inline uint16_t bfloat_of_double(double value) { return format16_of_double(value, 7, 127); }

// A double that rounds to any shorter format as the integer itself does: where 53 bits do not hold it, the lowest kept
// bit says whether something was cut off (rounding to odd; Boldo & Melquiond 2008).
static inline double odd_double_of_unsigned(uint64_t value) {
  if (value >> 53) value = (value & ~(uint64_t)0x7ff) | ((value & 0x7ff) ? 0x800 : 0);
  return (double)value;
}

static inline double odd_double_of_signed(int64_t value) {
  return value < 0 ? -odd_double_of_unsigned(-(uint64_t)value) : odd_double_of_unsigned((uint64_t)value);
}

#endif
