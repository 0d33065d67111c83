// Conversion between element types. Each block goes through one of three wide forms that hold its source exactly, so that
// 13 types need 13 ways in and 3 x 13 ways out, not 13 x 13.
#include "../include/apusk_cast.h"

#include "float_formats.h"

#pragma STDC FP_CONTRACT OFF

enum { block = 256 };

// Elements worth giving to a thread: some 10 us.
#define ELEMENTS_PER_GRAIN (16 * 1024)

typedef enum wide { wide_float, wide_signed, wide_unsigned } wide;

typedef union wide_block {
  double f[block];
  int64_t i[block];
  uint64_t u[block];
} wide_block;

static wide wide_of(int32_t type) {
  switch (type) {
    case APUSK_FLOAT32:
    case APUSK_FLOAT64:
    case APUSK_FLOAT16:
    case APUSK_BFLOAT16: return wide_float;
    case APUSK_UINT64: return wide_unsigned;
    default: return wide_signed;
  }
}

static int64_t bytes_of(int32_t type) {
  switch (type) {
    case APUSK_INT8:
    case APUSK_UINT8:
    case APUSK_BOOL: return 1;
    case APUSK_INT16:
    case APUSK_UINT16:
    case APUSK_FLOAT16:
    case APUSK_BFLOAT16: return 2;
    case APUSK_FLOAT32:
    case APUSK_INT32:
    case APUSK_UINT32: return 4;
    case APUSK_FLOAT64:
    case APUSK_INT64:
    case APUSK_UINT64: return 8;
    default: return 0;
  }
}

#define LOAD(member, type, expression)              \
  for (int64_t n = 0; n < count; n++) {             \
    type v = ((const type *)source)[n];             \
    buffer->member[n] = expression;                   \
  }                                                 \
  break

static void load(wide_block *buffer, const void *source, int64_t count, int32_t type) {
  switch (type) {
    case APUSK_FLOAT32: LOAD(f, float, v);
    case APUSK_FLOAT64: LOAD(f, double, v);
    case APUSK_FLOAT16: LOAD(f, uint16_t, double_of_half(v));
    case APUSK_BFLOAT16: LOAD(f, uint16_t, double_of_bfloat(v));
    case APUSK_INT8: LOAD(i, int8_t, v);
    case APUSK_UINT8: LOAD(i, uint8_t, v);
    case APUSK_BOOL: LOAD(i, uint8_t, v != 0);
    case APUSK_INT16: LOAD(i, int16_t, v);
    case APUSK_UINT16: LOAD(i, uint16_t, v);
    case APUSK_INT32: LOAD(i, int32_t, v);
    case APUSK_UINT32: LOAD(i, uint32_t, v);
    case APUSK_INT64: LOAD(i, int64_t, v);
    case APUSK_UINT64: LOAD(u, uint64_t, v);
  }
}

// Toward zero, to the nearest bound of low ... high; NaN gives 0.
static int64_t signed_of(double v, double low, double high, int64_t lowest, int64_t highest) {
  if (v != v) return 0;
  if (v <= low) return lowest;
  return v >= high ? highest : (int64_t)v;
}

static uint64_t unsigned_of(double v) {
  if (!(v > 0)) return 0;
  return v >= 0x1p64 ? UINT64_MAX : (uint64_t)v;
}

#define STORE(type, from_float, from_signed, from_unsigned)                                                \
  for (int64_t n = 0; n < count; n++) {                                                                    \
    type *place = (type *)target + n;                                                                      \
    if (kind == wide_float) {                                                                              \
      double v = buffer->f[n];                                                                               \
      *place = (type)(from_float);                                                                         \
    } else if (kind == wide_signed) {                                                                      \
      int64_t v = buffer->i[n];                                                                              \
      *place = (type)(from_signed);                                                                        \
    } else {                                                                                               \
      uint64_t v = buffer->u[n];                                                                             \
      *place = (type)(from_unsigned);                                                                      \
    }                                                                                                      \
  }                                                                                                        \
  break

static void store(void *target, const wide_block *buffer, int64_t count, wide kind, int32_t type) {
  switch (type) {
    case APUSK_FLOAT32: STORE(float, v, v, v);
    case APUSK_FLOAT64: STORE(double, v, v, v);
    case APUSK_FLOAT16:
      STORE(uint16_t, half_of_double(v), half_of_double(odd_double_of_signed(v)), half_of_double(odd_double_of_unsigned(v)));
    case APUSK_BFLOAT16:
      STORE(uint16_t, bfloat_of_double(v), bfloat_of_double(odd_double_of_signed(v)),
            bfloat_of_double(odd_double_of_unsigned(v)));
    case APUSK_BOOL: STORE(uint8_t, v != 0, v != 0, v != 0);
    case APUSK_INT8: STORE(int8_t, signed_of(v, INT8_MIN, INT8_MAX, INT8_MIN, INT8_MAX), v, v);
    case APUSK_UINT8: STORE(uint8_t, signed_of(v, 0, UINT8_MAX, 0, UINT8_MAX), v, v);
    case APUSK_INT16: STORE(int16_t, signed_of(v, INT16_MIN, INT16_MAX, INT16_MIN, INT16_MAX), v, v);
    case APUSK_UINT16: STORE(uint16_t, signed_of(v, 0, UINT16_MAX, 0, UINT16_MAX), v, v);
    case APUSK_INT32: STORE(int32_t, signed_of(v, INT32_MIN, INT32_MAX, INT32_MIN, INT32_MAX), v, v);
    case APUSK_UINT32: STORE(uint32_t, signed_of(v, 0, UINT32_MAX, 0, UINT32_MAX), v, v);
    case APUSK_INT64: STORE(int64_t, signed_of(v, -0x1p63, 0x1p63, INT64_MIN, INT64_MAX), v, v);
    case APUSK_UINT64: STORE(uint64_t, unsigned_of(v), v, v);
  }
}

static int32_t cast(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_cast_args *args = args_;
  (void)worker;
  wide_block buffer;
  for (int64_t at = begin; at < end; at += block) {
    int64_t count = end - at < block ? end - at : block;
    load(&buffer, (const char *)args->input + at * bytes_of(args->from), count, args->from);
    store((char *)args->output + at * bytes_of(args->to), &buffer, count, wide_of(args->from), args->to);
  }
  return 0;
}

int32_t apusk_cast_plan(int32_t level, const apusk_cast_args *args, apusk_plan *plan) {
  if (level < APUSK_LEVEL_PORTABLE || level > APUSK_LEVEL_AVX512) return 100;
  if (bytes_of(args->from) == 0 || bytes_of(args->to) == 0) return 502;
  *plan = (apusk_plan){.kernel = cast, .units = args->count, .grain = ELEMENTS_PER_GRAIN};
  return 0;
}
