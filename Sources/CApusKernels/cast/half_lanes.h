// Conversions between float32 and the 16-bit formats, eight elements at a time: the bits of float_formats.h.
#ifndef APUSK_HALF_LANES_H
#define APUSK_HALF_LANES_H

#include <stdint.h>
#include <string.h>

// Vectors are passed between functions that are all inlined into one: the calling convention of vectors does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

typedef uint16_t u16x8 __attribute__((ext_vector_type(8)));
typedef uint32_t u32x8 __attribute__((ext_vector_type(8)));
typedef int32_t i32x8 __attribute__((ext_vector_type(8)));
typedef float f32x8_lanes __attribute__((ext_vector_type(8)));

static inline u32x8 widened_lanes(u16x8 v) { return __builtin_convertvector(v, u32x8); }

static inline u32x8 bfloat_to_float_lanes(u16x8 v) { return widened_lanes(v) << 16; }

// Half's fraction and exponent in float's places, and the difference of the two biases as an exact factor: subnormal
// numbers become normal ones by it.
static inline u32x8 half_to_float_lanes(u16x8 v) {
  u32x8 bits = widened_lanes(v);
  u32x8 magnitude = (bits & 0x7fff) << 13;
  u32x8 scaled = (u32x8)((f32x8_lanes)magnitude * 0x1p112f);
  u32x8 special = (u32x8)((bits & 0x7c00) == 0x7c00);
  return (bits & 0x8000) << 16 | (special & (magnitude | 0x7f800000)) | (~special & scaled);
}

static inline u16x8 float_to_bfloat_lanes(u32x8 bits) {
  u32x8 rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  u32x8 is_nan = (u32x8)((i32x8)(bits & 0x7fffffff) > (i32x8)0x7f800000);
  u32x8 quiet = (bits >> 16 & 0x8000) | 0x7fc0;
  return __builtin_convertvector((is_nan & quiet) | (~is_nan & rounded), u16x8);
}

static inline u16x8 float_to_half_lanes(u32x8 bits) {
  u32x8 magnitude = bits & 0x7fffffff;
  // Beyond 65536: infinity or NaN. Below 2^-14: adding 1/2 rounds to whole units of 2^-24 in the low bits.
  u32x8 is_nan = (u32x8)((i32x8)magnitude > (i32x8)0x7f800000);
  u32x8 is_large = (u32x8)((i32x8)magnitude >= (i32x8)0x47800000);
  u32x8 is_small = (u32x8)((i32x8)magnitude < (i32x8)0x38800000);
  u32x8 small = (u32x8)((f32x8_lanes)magnitude + 0.5f) - 0x3f000000;
  u32x8 normal = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  u32x8 large = (is_nan & 0x7e00) | (~is_nan & 0x7c00);
  u32x8 result = (is_large & large) | (~is_large & ((is_small & small) | (~is_small & normal)));
  return __builtin_convertvector(result | (bits >> 16 & 0x8000), u16x8);
}

// Arrays: of 16-bit elements into float32 and back. The last elements, fewer than eight, go through lanes of their own.
#define APUSK_HALF_ARRAY(name, from, from_lanes, to, to_lanes, convert)      \
  static void name(to *target, const from *source, int64_t count) {         \
    for (int64_t i = 0; i < count; i += 8) {                                 \
      int64_t part = count - i < 8 ? count - i : 8;                          \
      from_lanes in = 0;                                                     \
      if (part == 8) {                                                       \
        memcpy(&in, source + i, sizeof in);                                  \
      } else {                                                               \
        memcpy(&in, source + i, (size_t)part * sizeof *source);              \
      }                                                                      \
      to_lanes out = convert(in);                                            \
      if (part == 8) {                                                       \
        memcpy(target + i, &out, sizeof out);                                \
      } else {                                                               \
        memcpy(target + i, &out, (size_t)part * sizeof *target);             \
      }                                                                      \
    }                                                                        \
  }

#endif
