// Linear quantization (ONNX QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear).
#ifndef APUSK_QUANTIZE_H
#define APUSK_QUANTIZE_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// x and y are dense [outer, axis, inner]; element [o, a, i] has the scale and zero point number
// o * outer_stride + a / block * block_stride + i * inner_stride: per tensor all strides are 0, per axis block_stride is 1 and
// block 1, per block they are those of the dense [outer, ceil(axis / block), inner],
// with inner_stride 0 where inner is 1.
typedef struct apusk_quantize_args {
  const void *x;
  const void *scale;
  const void *zero;  // NULL: 0
  void *y;
  int64_t outer;
  int64_t axis;
  int64_t inner;
  int64_t block;
  int64_t outer_stride;
  int64_t block_stride;
  int64_t inner_stride;
  int32_t x_type;
  int32_t scale_type;
  int32_t y_type;
  int32_t precision;  // of the division: FLOAT16, BFLOAT16, FLOAT32 or FLOAT64; of no meaning to dequantization
  int32_t saturate;   // to 8-bit floating types
  int32_t reserved;
} apusk_quantize_args;

// y = clamp(roundTiesToEven(x / scale) + zero) for integers, a single division in `precision`; for floating types the sum rounded
// once. zero has y's type. NaN gives the zero point.
// A unit is one element, or 8 of a packed y. Returns 0, 100 for an unknown level, 502 for an element type without a kernel.
int32_t apusk_quantize_plan(int32_t level, const apusk_quantize_args *args, apusk_plan *plan);

// y = (x - zero) * scale: both exact in double precision for x of at most 16 bits, then rounded once. zero has x's type.
int32_t apusk_dequantize_plan(int32_t level, const apusk_quantize_args *args, apusk_plan *plan);

// y = clamp(roundTiesToEven(x / scale) + zero) for each row of x with its own range: with min = minimum(0, x...) and
// max = maximum(0, x...), scale = (max - min) / 255, or 1 / 255 where they are equal, and
// zero = roundTiesToEven(clamp(-min / scale)). NaN elements are passed over, and become the zero point.
typedef struct apusk_dynamic_quantize_args {
  const float *x;  // [rows, columns]
  uint8_t *y;      // the same
  float *scale;    // [rows]
  uint8_t *zero;   // [rows]
  int64_t rows, columns;
} apusk_dynamic_quantize_args;

// Two steps with the same arguments, of which `range` may have no units. Returns 0, 100 for negative sizes or an unknown
// level.
int32_t apusk_dynamic_quantize_plan(int32_t level, const apusk_dynamic_quantize_args *args, apusk_plan *range,
                                    apusk_plan *quantize);

#ifdef __cplusplus
}
#endif
#endif
