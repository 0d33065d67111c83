#include "wide.h"

#include <stddef.h>

#include "small_floats.h"

#pragma STDC FP_CONTRACT OFF

apusk_wide apusk_wide_of(int32_t type) {
  switch (type) {
    case APUSK_FLOAT32:
    case APUSK_FLOAT64:
    case APUSK_FLOAT16:
    case APUSK_BFLOAT16:
    case APUSK_FLOAT8E4M3FN:
    case APUSK_FLOAT8E4M3FNUZ:
    case APUSK_FLOAT8E5M2:
    case APUSK_FLOAT8E5M2FNUZ:
    case APUSK_FLOAT8E8M0:
    case APUSK_FLOAT4E2M1: return apusk_wide_float;
    case APUSK_UINT64: return apusk_wide_unsigned;
    default: return apusk_wide_signed;
  }
}

int32_t apusk_wide_bits(int32_t type) {
  switch (type) {
    case APUSK_INT2:
    case APUSK_UINT2: return 2;
    case APUSK_INT4:
    case APUSK_UINT4:
    case APUSK_FLOAT4E2M1: return 4;
    case APUSK_INT8:
    case APUSK_UINT8:
    case APUSK_BOOL:
    case APUSK_FLOAT8E4M3FN:
    case APUSK_FLOAT8E4M3FNUZ:
    case APUSK_FLOAT8E5M2:
    case APUSK_FLOAT8E5M2FNUZ:
    case APUSK_FLOAT8E8M0: return 8;
    case APUSK_INT16:
    case APUSK_UINT16:
    case APUSK_FLOAT16:
    case APUSK_BFLOAT16: return 16;
    case APUSK_FLOAT32:
    case APUSK_INT32:
    case APUSK_UINT32: return 32;
    case APUSK_FLOAT64:
    case APUSK_INT64:
    case APUSK_UINT64: return 64;
    default: return 0;
  }
}

int64_t apusk_wide_unit(int32_t type) { return apusk_wide_bits(type) < 8 ? 8 : 1; }

static const small_float *format_of(int32_t type) {
  switch (type) {
    case APUSK_FLOAT8E4M3FN: return &float8e4m3fn;
    case APUSK_FLOAT8E4M3FNUZ: return &float8e4m3fnuz;
    case APUSK_FLOAT8E5M2: return &float8e5m2;
    case APUSK_FLOAT8E5M2FNUZ: return &float8e5m2fnuz;
    default: return &float4e2m1;
  }
}

// ---- loading --------------------------------------------------------------------------------------------------------------

#define LOAD(member, type, expression)                                       \
  for (int64_t n = 0; n < count; n++) {                                      \
    type v = ((const type *)source)[first + n];                              \
    block->member[n] = expression;                                           \
  }                                                                          \
  break

// Element `index` of a packed tensor, low bits first.
static uint8_t packed_code(const void *source, int64_t index, int32_t bits) {
  int64_t in_byte = 8 / bits;
  return (((const uint8_t *)source)[index / in_byte] >> (index % in_byte * bits)) & ((1 << bits) - 1);
}

// Integers of `bits` bits; `sign` is the sign's bit, or 0.
static void load_packed(int64_t *values, const void *source, int64_t first, int64_t count, int32_t bits, int64_t sign) {
  for (int64_t n = 0; n < count; n++) {
    int64_t code = packed_code(source, first + n, bits);
    values[n] = (code ^ sign) - sign;
  }
}

void apusk_wide_load(apusk_wide_block *block, const void *source, int64_t first, int64_t count, int32_t type) {
  const small_float *format = format_of(type);
  switch (type) {
    case APUSK_FLOAT32: LOAD(f, float, v);
    case APUSK_FLOAT64: LOAD(f, double, v);
    case APUSK_FLOAT16: LOAD(f, uint16_t, double_of_half(v));
    case APUSK_BFLOAT16: LOAD(f, uint16_t, double_of_bfloat(v));
    case APUSK_FLOAT8E4M3FN:
    case APUSK_FLOAT8E4M3FNUZ:
    case APUSK_FLOAT8E5M2:
    case APUSK_FLOAT8E5M2FNUZ: LOAD(f, uint8_t, double_of_small(v, format));
    case APUSK_FLOAT8E8M0: LOAD(f, uint8_t, double_of_e8m0(v));
    case APUSK_FLOAT4E2M1:
      for (int64_t n = 0; n < count; n++) block->f[n] = double_of_small(packed_code(source, first + n, 4), format);
      break;
    case APUSK_INT2: load_packed(block->i, source, first, count, 2, 2); break;
    case APUSK_UINT2: load_packed(block->i, source, first, count, 2, 0); break;
    case APUSK_INT4: load_packed(block->i, source, first, count, 4, 8); break;
    case APUSK_UINT4: load_packed(block->i, source, first, count, 4, 0); break;
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

void apusk_wide_load_doubles(double *values, const void *source, int64_t first, int64_t count, int32_t type) {
  apusk_wide_block block;
  apusk_wide kind = apusk_wide_of(type);
  for (int64_t at = 0; at < count; at += apusk_wide_block_size) {
    int64_t part = count - at < apusk_wide_block_size ? count - at : apusk_wide_block_size;
    apusk_wide_load(&block, source, first + at, part, type);
    for (int64_t n = 0; n < part; n++) {
      values[at + n] = kind == apusk_wide_float    ? block.f[n]
                       : kind == apusk_wide_signed ? (double)block.i[n]
                                                   : (double)block.u[n];
    }
  }
}

// ---- storing --------------------------------------------------------------------------------------------------------------

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
    type *place = (type *)target + first + n;                                                              \
    if (kind == apusk_wide_float) {                                                                        \
      double v = block->f[n];                                                                              \
      *place = (type)(from_float);                                                                         \
    } else if (kind == apusk_wide_signed) {                                                                \
      int64_t v = block->i[n];                                                                             \
      *place = (type)(from_signed);                                                                        \
    } else {                                                                                               \
      uint64_t v = block->u[n];                                                                            \
      *place = (type)(from_unsigned);                                                                      \
    }                                                                                                      \
  }                                                                                                        \
  break

// Element n of a block as a double that rounds to any short format as the element itself does.
static double rounding_double(const apusk_wide_block *block, int64_t n, apusk_wide kind) {
  switch (kind) {
    case apusk_wide_float: return block->f[n];
    case apusk_wide_signed: return odd_double_of_signed(block->i[n]);
    default: return odd_double_of_unsigned(block->u[n]);
  }
}

static void store_small(
    uint8_t *target, const apusk_wide_block *block, int64_t count, apusk_wide kind, const small_float *format, int saturate) {
  for (int64_t n = 0; n < count; n++) target[n] = small_of_double(rounding_double(block, n, kind), format, saturate);
}

// The code of element n in a packed type: of integers the low bits.
static uint8_t code_to_pack(const apusk_wide_block *block, int64_t n, apusk_wide kind, int32_t type) {
  if (type == APUSK_FLOAT4E2M1) return small_of_double(rounding_double(block, n, kind), &float4e2m1, 1);
  if (kind == apusk_wide_float) return (uint8_t)signed_of(block->f[n], -0x1p63, 0x1p63, INT64_MIN, INT64_MAX);
  return kind == apusk_wide_signed ? (uint8_t)block->i[n] : (uint8_t)block->u[n];
}

static void store_packed(
    uint8_t *target, int64_t first, const apusk_wide_block *block, int64_t count, apusk_wide kind, int32_t type) {
  int32_t bits = apusk_wide_bits(type), in_byte = 8 / bits;
  for (int64_t n = 0; n < count;) {
    uint8_t byte = 0;
    uint8_t *place = target + (first + n) / in_byte;
    for (int32_t k = 0; k < in_byte && n < count; k++, n++) {
      byte |= (uint8_t)((code_to_pack(block, n, kind, type) & ((1 << bits) - 1)) << (k * bits));
    }
    *place = byte;
  }
}

void apusk_wide_store(
    void *target, int64_t first, const apusk_wide_block *block, int64_t count, apusk_wide kind, int32_t type,
    apusk_wide_rounding rounding) {
  switch (type) {
    case APUSK_FLOAT32: STORE(float, v, v, v);
    case APUSK_FLOAT64: STORE(double, v, v, v);
    case APUSK_FLOAT16:
      STORE(uint16_t, half_of_double(v), half_of_double(odd_double_of_signed(v)), half_of_double(odd_double_of_unsigned(v)));
    case APUSK_BFLOAT16:
      STORE(uint16_t, bfloat_of_double(v), bfloat_of_double(odd_double_of_signed(v)),
            bfloat_of_double(odd_double_of_unsigned(v)));
    case APUSK_FLOAT8E4M3FN:
    case APUSK_FLOAT8E4M3FNUZ:
    case APUSK_FLOAT8E5M2:
    case APUSK_FLOAT8E5M2FNUZ:
      store_small((uint8_t *)target + first, block, count, kind, format_of(type), rounding.saturate);
      break;
    case APUSK_FLOAT8E8M0:
      for (int64_t n = 0; n < count; n++) {
        ((uint8_t *)target)[first + n] =
            e8m0_of_double(rounding_double(block, n, kind), rounding.round_mode, rounding.saturate);
      }
      break;
    case APUSK_FLOAT4E2M1:
    case APUSK_INT2:
    case APUSK_UINT2:
    case APUSK_INT4:
    case APUSK_UINT4: store_packed(target, first, block, count, kind, type); break;
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
