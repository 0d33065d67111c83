#include "scatter_combine.h"

#include <stddef.h>
#include <string.h>

#include "../cast/float_formats.h"
#include "../include/apusk_element_type.h"
#include "../include/apusk_index.h"

#pragma clang fp contract(off)

#define SET(bytes) \
  static void set_##bytes(void *target, const void *source, int64_t count) { memcpy(target, source, (size_t)count * bytes); }
SET(1)
SET(2)
SET(4)
SET(8)
SET(16)

#define COMBINE(name, type, expression)                                        \
  static void name(void *target_, const void *source_, int64_t count) {        \
    type *target = target_;                                                    \
    const type *source = source_;                                              \
    for (int64_t i = 0; i < count; i++) {                                      \
      type x = target[i], y = source[i];                                       \
      target[i] = (type)(expression);                                          \
    }                                                                          \
  }

// Integers wrap: products are taken in 64 bits without sign, which no narrow type is promoted out of.
#define INTEGERS(name, type)                     \
  COMBINE(add_##name, type, (uint64_t)x + (uint64_t)y) \
  COMBINE(mul_##name, type, (uint64_t)x * (uint64_t)y) \
  COMBINE(min_##name, type, y < x ? y : x)       \
  COMBINE(max_##name, type, y > x ? y : x)

// NaN wins, on either side.
#define FLOATS(name, type)                                     \
  COMBINE(add_##name, type, x + y)                             \
  COMBINE(mul_##name, type, x * y)                             \
  COMBINE(min_##name, type, y < x || y != y ? y : x)           \
  COMBINE(max_##name, type, y > x || y != y ? y : x)

// 16-bit floats are combined in double and rounded once.
#define SHORT_FLOATS(name, wide, narrow)                                                                        \
  COMBINE(add_##name, uint16_t, narrow(wide(x) + wide(y)))                                                      \
  COMBINE(mul_##name, uint16_t, narrow(wide(x) * wide(y)))                                                      \
  COMBINE(min_##name, uint16_t, wide(y) < wide(x) || wide(y) != wide(y) ? y : x)                                \
  COMBINE(max_##name, uint16_t, wide(y) > wide(x) || wide(y) != wide(y) ? y : x)

INTEGERS(i8, int8_t)
INTEGERS(u8, uint8_t)
INTEGERS(i16, int16_t)
INTEGERS(u16, uint16_t)
INTEGERS(i32, int32_t)
INTEGERS(u32, uint32_t)
INTEGERS(i64, int64_t)
INTEGERS(u64, uint64_t)
FLOATS(f32, float)
FLOATS(f64, double)
SHORT_FLOATS(f16, double_of_half, half_of_double)
SHORT_FLOATS(bf16, double_of_bfloat, bfloat_of_double)
COMBINE(or_bool, uint8_t, x | y)
COMBINE(and_bool, uint8_t, x & y)

#define ROW(name) {add_##name, mul_##name, min_##name, max_##name}

apusk_combine *apusk_scatter_combine(int32_t reduction, int32_t element_type, int32_t element_bytes) {
  static const struct {
    int32_t type;
    apusk_combine *by_reduction[4];
  } rows[] = {
      {APUSK_INT8, ROW(i8)},      {APUSK_UINT8, ROW(u8)},    {APUSK_INT16, ROW(i16)},   {APUSK_UINT16, ROW(u16)},
      {APUSK_INT32, ROW(i32)},    {APUSK_UINT32, ROW(u32)},  {APUSK_INT64, ROW(i64)},   {APUSK_UINT64, ROW(u64)},
      {APUSK_FLOAT32, ROW(f32)},  {APUSK_FLOAT64, ROW(f64)}, {APUSK_FLOAT16, ROW(f16)}, {APUSK_BFLOAT16, ROW(bf16)},
      {APUSK_BOOL, {or_bool, and_bool, and_bool, or_bool}},
  };
  if (reduction == APUSK_SCATTER_SET) {
    switch (element_bytes) {
      case 1: return set_1;
      case 2: return set_2;
      case 4: return set_4;
      case 8: return set_8;
      case 16: return set_16;
      default: return NULL;
    }
  }
  if (reduction < APUSK_SCATTER_ADD || reduction > APUSK_SCATTER_MAX) return NULL;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (rows[i].type == element_type) return rows[i].by_reduction[reduction - APUSK_SCATTER_ADD];
  }
  return NULL;
}
