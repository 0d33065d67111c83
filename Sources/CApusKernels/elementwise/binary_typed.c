#include "binary_typed.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "../cast/wide.h"

#pragma clang fp contract(off)

// ---- what rows are made of ------------------------------------------------------------------------------------------------

// Modulo 2^64; 0^0 is 1. A negative exponent gives the whole part of the real power.
static int64_t integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    if (base == -1) return exponent % 2 ? -1 : 1;
    return 0;
  }
  uint64_t result = 1, square = (uint64_t)base;
  for (uint64_t left = (uint64_t)exponent; left; left >>= 1) {
    if (left & 1) result *= square;
    square *= square;
  }
  return (int64_t)result;
}

// In double precision, rounded once: the squares and cubes that models are full of don't need the general function.
static float float_power(float x, float y) {
  if (y == 2.0f) return (float)((double)x * x);
  if (y == 3.0f) return (float)((double)x * x * x);
  return (float)pow(x, y);
}

// x - y * floor(x / y): the sign of y.
static double floor_remainder(double x, double y) {
  double r = fmod(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

#include "binary_rows.h"

// ---- arithmetic -----------------------------------------------------------------------------------------------------------

// The same bits for signed and unsigned integers. Arithmetic in 64 bits keeps narrow types from promotion to int. A shift
// by the width or more leaves nothing.
#define ROWS_BY_WIDTH(bits)                                                                    \
  ROW(add_##bits, uint##bits##_t, uint##bits##_t, (uint64_t)x + y)                             \
  ROW(sub_##bits, uint##bits##_t, uint##bits##_t, (uint64_t)x - y)                             \
  ROW(mul_##bits, uint##bits##_t, uint##bits##_t, (uint64_t)x * y)                             \
  ROW(and_##bits, uint##bits##_t, uint##bits##_t, x & y)                                       \
  ROW(or_##bits, uint##bits##_t, uint##bits##_t, x | y)                                        \
  ROW(xor_##bits, uint##bits##_t, uint##bits##_t, x ^ y)                                       \
  ROW(left_##bits, uint##bits##_t, uint##bits##_t, y < bits ? (uint64_t)x << y : 0)            \
  ROW(right_##bits, uint##bits##_t, uint##bits##_t, y < bits ? (uint64_t)x >> y : 0)           \
  ROW(equal_##bits, uint##bits##_t, uint8_t, x == y)

ROWS_BY_WIDTH(8)
ROWS_BY_WIDTH(16)
ROWS_BY_WIDTH(32)
ROWS_BY_WIDTH(64)

ROW(add_f64, double, double, x + y)
ROW(sub_f64, double, double, x - y)
ROW(mul_f64, double, double, x * y)
ROW(div_f64, double, double, x / y)
ROW(pow_f32, float, float, float_power(x, y))
ROW(pow_f64, double, double, pow(x, y))
ROW(pow_i64, int64_t, int64_t, integer_power(x, y))
ROW(mod_f32, float, float, floor_remainder(x, y))
ROW(mod_f64, double, double, floor_remainder(x, y))
ROW(fmod_f32, float, float, fmod(x, y))
ROW(fmod_f64, double, double, fmod(x, y))

// Division by -1 as a negation that wraps: the machine's own would trap for the lowest value.
#define SIGNED_QUOTIENT(bits) (int##bits##_t)(y == -1 ? (int64_t)(0 - (uint64_t)x) : x / y)

DIVISION_ROW(div_u8, uint8_t, (uint8_t)(x / y))
DIVISION_ROW(div_u16, uint16_t, (uint16_t)(x / y))
DIVISION_ROW(div_u32, uint32_t, x / y)
DIVISION_ROW(div_u64, uint64_t, x / y)
DIVISION_ROW(div_i8, int8_t, SIGNED_QUOTIENT(8))
DIVISION_ROW(div_i16, int16_t, SIGNED_QUOTIENT(16))
DIVISION_ROW(div_i32, int32_t, SIGNED_QUOTIENT(32))
DIVISION_ROW(div_i64, int64_t, SIGNED_QUOTIENT(64))

#define SIGNED_REMAINDER (y == -1 ? 0 : x % y)
DIVISION_ROW(fmod_i32, int32_t, SIGNED_REMAINDER)
DIVISION_ROW(fmod_i64, int64_t, SIGNED_REMAINDER)
DIVISION_ROW(mod_i32, int32_t, SIGNED_REMAINDER + (SIGNED_REMAINDER != 0 && (x < 0) != (y < 0) ? y : 0))
DIVISION_ROW(mod_i64, int64_t, SIGNED_REMAINDER + (SIGNED_REMAINDER != 0 && (x < 0) != (y < 0) ? y : 0))
DIVISION_ROW(mod_u64, uint64_t, x % y)

// ---- comparison -----------------------------------------------------------------------------------------------------------

// Where an operand is NaN, so is the maximum and minimum.
#define ORDERED_ROWS(suffix, type)                          \
  ROW(less_##suffix, type, uint8_t, x < y)                  \
  ROW(less_or_equal_##suffix, type, uint8_t, x <= y)        \
  ROW(max_##suffix, type, type, x > y || x != x ? x : y)    \
  ROW(min_##suffix, type, type, x < y || x != x ? x : y)

ORDERED_ROWS(f32, float)
ORDERED_ROWS(f64, double)
ORDERED_ROWS(i32, int32_t)
ORDERED_ROWS(i64, int64_t)
ORDERED_ROWS(u64, uint64_t)
ROW(equal_f32, float, uint8_t, x == y)
ROW(equal_f64, double, uint8_t, x == y)
ROW(prelu_f32, float, float, x < 0 ? y * x : x)
ROW(prelu_f64, double, double, x < 0 ? y * x : x)
ROW(prelu_i32, int32_t, int32_t, x < 0 ? (uint32_t)y * (uint32_t)x : (uint32_t)x)
ROW(prelu_i64, int64_t, int64_t, x < 0 ? (uint64_t)y * (uint64_t)x : (uint64_t)x)
ROW(prelu_u64, uint64_t, uint64_t, ((void)y, x))

// ---- tables ---------------------------------------------------------------------------------------------------------------

typedef apusk_broadcast_row *row_table[APUSK_BINARY_COUNT];

#define INTEGER_ROWS(letter, bits)                                                                               \
  [APUSK_BINARY_ADD] = add_##bits, [APUSK_BINARY_SUB] = sub_##bits, [APUSK_BINARY_MUL] = mul_##bits,             \
  [APUSK_BINARY_DIV] = div_##letter##bits, [APUSK_BINARY_AND] = and_##bits, [APUSK_BINARY_OR] = or_##bits,       \
  [APUSK_BINARY_XOR] = xor_##bits, [APUSK_BINARY_SHIFT_LEFT] = left_##bits,                                      \
  [APUSK_BINARY_SHIFT_RIGHT] = right_##bits, [APUSK_BINARY_EQUAL] = equal_##bits

#define COMPARISON_ROWS(suffix)                                                                                  \
  [APUSK_BINARY_MAX] = max_##suffix, [APUSK_BINARY_MIN] = min_##suffix, [APUSK_BINARY_LESS] = less_##suffix,     \
  [APUSK_BINARY_LESS_OR_EQUAL] = less_or_equal_##suffix, [APUSK_BINARY_MOD] = mod_##suffix,                      \
  [APUSK_BINARY_PRELU] = prelu_##suffix

static const row_table rows_u8 = {INTEGER_ROWS(u, 8)}, rows_i8 = {INTEGER_ROWS(i, 8)};
static const row_table rows_u16 = {INTEGER_ROWS(u, 16)}, rows_i16 = {INTEGER_ROWS(i, 16)};
static const row_table rows_u32 = {INTEGER_ROWS(u, 32)};
static const row_table rows_i32 = {INTEGER_ROWS(i, 32), COMPARISON_ROWS(i32), [APUSK_BINARY_FMOD] = fmod_i32};
static const row_table rows_i64 = {
    INTEGER_ROWS(i, 64), COMPARISON_ROWS(i64), [APUSK_BINARY_FMOD] = fmod_i64, [APUSK_BINARY_POW] = pow_i64};
static const row_table rows_u64 = {INTEGER_ROWS(u, 64), COMPARISON_ROWS(u64), [APUSK_BINARY_FMOD] = mod_u64};
static const row_table rows_bool = {
    [APUSK_BINARY_AND] = and_8, [APUSK_BINARY_OR] = or_8, [APUSK_BINARY_XOR] = xor_8, [APUSK_BINARY_EQUAL] = equal_8};
// Addition, subtraction, multiplication and division of float32 are versions by level.
static const row_table rows_f32 = {
    COMPARISON_ROWS(f32), [APUSK_BINARY_FMOD] = fmod_f32, [APUSK_BINARY_POW] = pow_f32, [APUSK_BINARY_EQUAL] = equal_f32};
static const row_table rows_f64 = {
    COMPARISON_ROWS(f64), [APUSK_BINARY_FMOD] = fmod_f64, [APUSK_BINARY_POW] = pow_f64, [APUSK_BINARY_EQUAL] = equal_f64,
    [APUSK_BINARY_ADD] = add_f64, [APUSK_BINARY_SUB] = sub_f64, [APUSK_BINARY_MUL] = mul_f64, [APUSK_BINARY_DIV] = div_f64};

apusk_broadcast_row *apusk_binary_row(int32_t function, int32_t element_type) {
  if (function < 0 || function >= APUSK_BINARY_COUNT) return NULL;
  switch (element_type) {
    case APUSK_UINT8: return rows_u8[function];
    case APUSK_UINT16: return rows_u16[function];
    case APUSK_UINT32: return rows_u32[function];
    case APUSK_UINT64: return rows_u64[function];
    case APUSK_INT8: return rows_i8[function];
    case APUSK_INT16: return rows_i16[function];
    case APUSK_INT32: return rows_i32[function];
    case APUSK_INT64: return rows_i64[function];
    case APUSK_BOOL: return rows_bool[function];
    case APUSK_FLOAT32: return rows_f32[function];
    case APUSK_FLOAT64: return rows_f64[function];
    default: return NULL;
  }
}

// ---- the kernel -----------------------------------------------------------------------------------------------------------

apusk_broadcast apusk_binary_broadcast(const apusk_binary_args *args, int64_t operand_bytes, int64_t output_bytes) {
  return (apusk_broadcast){
      .rank = args->rank,
      .operands = 2,
      .shape = args->shape,
      .base = {args->a, args->b},
      .strides = {args->a_strides, args->b_strides},
      .bytes = {operand_bytes, operand_bytes},
      .output = args->output,
      .output_bytes = output_bytes};
}

static int64_t largest_of(int32_t type) {
  switch (type) {
    case APUSK_UINT8: return UINT8_MAX;
    case APUSK_UINT16: return UINT16_MAX;
    case APUSK_UINT32: return UINT32_MAX;
    case APUSK_INT8: return INT8_MAX;
    case APUSK_INT16: return INT16_MAX;
    case APUSK_INT32: return INT32_MAX;
    default: return INT64_MAX;
  }
}

int32_t apusk_binary_kernel(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_binary_args *args = args_;
  if (begin >= end) return 0;
  int64_t bytes = apusk_wide_bits(args->element_type) / 8;
  apusk_broadcast broadcast = apusk_binary_broadcast(args, bytes, args->function >= APUSK_BINARY_EQUAL ? 1 : bytes);
  int64_t position =
      apusk_broadcast_walk(&broadcast, begin, end, apusk_binary_row(args->function, args->element_type));
  if (position < 0) return 0;
  worker->fault = (apusp_fault){
      .code = 600, .operand = 1, .position = position, .value = 0, .lower = 1, .upper = largest_of(args->element_type)};
  return 600;
}
