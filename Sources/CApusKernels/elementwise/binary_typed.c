#include "binary_typed.h"

#include <stddef.h>
#include <stdint.h>

#include "binary_walk.h"

#pragma clang fp contract(off)

int64_t apusk_binary_walk(
    const apusk_binary_args *args, int64_t begin, int64_t end, int64_t element_bytes, apusk_binary_row *row) {
  int32_t last = args->rank - 1;
  int64_t length = args->shape[last], a_step = args->a_strides[last], b_step = args->b_strides[last];
  int64_t column = begin % length, rest = begin / length;
  int64_t index[APUSK_MAX_RANK] = {0};
  int64_t a_row = 0, b_row = 0;
  for (int32_t d = last - 1; d >= 0; d--) {
    index[d] = rest % args->shape[d];
    rest /= args->shape[d];
    a_row += index[d] * args->a_strides[d];
    b_row += index[d] * args->b_strides[d];
  }
  for (int64_t i = begin; i < end;) {
    int64_t count = length - column < end - i ? length - column : end - i;
    int64_t zero = row(
        (char *)args->output + i * element_bytes, (const char *)args->a + (a_row + column * a_step) * element_bytes, a_step,
        (const char *)args->b + (b_row + column * b_step) * element_bytes, b_step, count);
    if (zero >= 0) return i + zero;
    i += count;
    column = 0;
    for (int32_t d = last - 1; d >= 0; d--) {
      a_row += args->a_strides[d];
      b_row += args->b_strides[d];
      if (++index[d] < args->shape[d]) break;
      a_row -= index[d] * args->a_strides[d];
      b_row -= index[d] * args->b_strides[d];
      index[d] = 0;
    }
  }
  return -1;
}

// ---- rows that can not fail ----------------------------------------------------------------------------------------------

#define ROW(name, type, expression)                                                                                    \
  static int64_t name(void *output_, const void *a_, int64_t a_step, const void *b_, int64_t b_step, int64_t count) {  \
    type *output = output_;                                                                                            \
    const type *a = a_, *b = b_;                                                                                       \
    if (a_step && b_step) {                                                                                            \
      for (int64_t i = 0; i < count; i++) {                                                                            \
        type x = a[i], y = b[i];                                                                                       \
        output[i] = (type)(expression);                                                                                \
      }                                                                                                                \
    } else {                                                                                                           \
      for (int64_t i = 0; i < count; i++) {                                                                            \
        type x = a[i * a_step], y = b[i * b_step];                                                                     \
        output[i] = (type)(expression);                                                                                \
      }                                                                                                                \
    }                                                                                                                  \
    return -1;                                                                                                         \
  }

// The same bits for signed and unsigned integers. Arithmetic in 64 bits keeps narrow types from promotion to int.
#define WRAPPING_ROWS(bits)                                                                    \
  ROW(add_##bits, uint##bits##_t, (uint64_t)x + y)                                             \
  ROW(sub_##bits, uint##bits##_t, (uint64_t)x - y)                                             \
  ROW(mul_##bits, uint##bits##_t, (uint64_t)x * y)

WRAPPING_ROWS(8)
WRAPPING_ROWS(16)
WRAPPING_ROWS(32)
WRAPPING_ROWS(64)
ROW(add_f64, double, x + y)
ROW(sub_f64, double, x - y)
ROW(mul_f64, double, x * y)
ROW(div_f64, double, x / y)

// ---- integer division ----------------------------------------------------------------------------------------------------

#define DIVISION_ROW(name, type, quotient)                                                                             \
  static int64_t name(void *output_, const void *a_, int64_t a_step, const void *b_, int64_t b_step, int64_t count) {  \
    type *output = output_;                                                                                            \
    const type *a = a_, *b = b_;                                                                                       \
    for (int64_t i = 0; i < count; i++) {                                                                              \
      type x = a[i * a_step], y = b[i * b_step];                                                                       \
      if (y == 0) return i;                                                                                            \
      output[i] = quotient;                                                                                            \
    }                                                                                                                  \
    return -1;                                                                                                         \
  }

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

// ---- kernels -------------------------------------------------------------------------------------------------------------

static int32_t run(
    const apusk_binary_args *args, int64_t begin, int64_t end, apusp_worker *worker, int64_t element_bytes,
    apusk_binary_row *row, int64_t largest) {
  if (begin >= end) return 0;
  int64_t position = apusk_binary_walk(args, begin, end, element_bytes, row);
  if (position < 0) return 0;
  worker->fault = (apusp_fault){
      .code = 600, .operand = 1, .position = position, .value = 0, .lower = 1, .upper = largest};
  return 600;
}

#define KERNEL(name, bytes, largest)                                                                \
  static int32_t name##_kernel(const void *args, int64_t begin, int64_t end, apusp_worker *worker) { \
    return run(args, begin, end, worker, bytes, name, largest);                                     \
  }
#define WRAPPING_KERNELS(bits)   \
  KERNEL(add_##bits, bits / 8, 0) \
  KERNEL(sub_##bits, bits / 8, 0) \
  KERNEL(mul_##bits, bits / 8, 0)

WRAPPING_KERNELS(8)
WRAPPING_KERNELS(16)
WRAPPING_KERNELS(32)
WRAPPING_KERNELS(64)
KERNEL(add_f64, 8, 0)
KERNEL(sub_f64, 8, 0)
KERNEL(mul_f64, 8, 0)
KERNEL(div_f64, 8, 0)
KERNEL(div_u8, 1, UINT8_MAX)
KERNEL(div_u16, 2, UINT16_MAX)
KERNEL(div_u32, 4, UINT32_MAX)
KERNEL(div_u64, 8, INT64_MAX)
KERNEL(div_i8, 1, INT8_MAX)
KERNEL(div_i16, 2, INT16_MAX)
KERNEL(div_i32, 4, INT32_MAX)
KERNEL(div_i64, 8, INT64_MAX)

#define INTEGER_CASE(type, letter, bits)                                                                   \
  case type: {                                                                                             \
    static const apusp_kernel kernels[4] = {                                                               \
        add_##bits##_kernel, sub_##bits##_kernel, mul_##bits##_kernel, div_##letter##bits##_kernel};       \
    return kernels[function];                                                                              \
  }

apusp_kernel apusk_binary_typed_kernel(int32_t function, int32_t element_type) {
  if (function < APUSK_BINARY_ADD || function > APUSK_BINARY_DIV) return NULL;
  switch (element_type) {
    INTEGER_CASE(APUSK_UINT8, u, 8)
    INTEGER_CASE(APUSK_UINT16, u, 16)
    INTEGER_CASE(APUSK_UINT32, u, 32)
    INTEGER_CASE(APUSK_UINT64, u, 64)
    INTEGER_CASE(APUSK_INT8, i, 8)
    INTEGER_CASE(APUSK_INT16, i, 16)
    INTEGER_CASE(APUSK_INT32, i, 32)
    INTEGER_CASE(APUSK_INT64, i, 64)
    case APUSK_FLOAT64: {
      static const apusp_kernel kernels[4] = {add_f64_kernel, sub_f64_kernel, mul_f64_kernel, div_f64_kernel};
      return kernels[function];
    }
    default: return NULL;
  }
}
