// Convolutions of 8-bit integers over any number of axes, channels-last, with exact sums modulo 2^32:
//
// acc = sum over taps, ci of (x - x_zero) * (w - w_zero[co])          (a tap outside x counts as x_zero)
// y = acc, or y = clamp(roundTiesToEven(Float(acc + bias[co]) * (x_scale * w_scale[co] / y_scale)) + y_zero), with fp32
// arithmetic in this order.
#ifndef APUSK_CONV_INTEGER_H
#define APUSK_CONV_INTEGER_H

#include "apusk_conv_nd.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct apusk_conv_integer_args {
  const void *x;          // [batch, input..., cin], int8 or uint8
  const int16_t *w;       // packed by apusk_conv_integer_pack
  void *y;                // [batch, output..., cout], int32, int8 or uint8; may not overlap x
  const int32_t *bias;    // [cout] or NULL
  const void *x_zero;     // one element of x's type, or NULL for 0
  const void *w_zero;     // [w_zeros] of the weights' type, or NULL for 0
  const void *y_zero;     // one element of y's type, or NULL for 0
  const float *x_scale;   // NULL for the sums as int32
  const float *w_scale;   // [w_scales]
  const float *y_scale;
  int64_t w_zeros, w_scales;           // 1 or cout
  int32_t x_type, w_type, y_type;      // APUSK_INT8, APUSK_UINT8; y also APUSK_INT32
  int32_t level;                       // written by the plan
  apusk_conv_geometry geometry;        // not transposed
} apusk_conv_integer_args;

// Weights [cout, cin/groups, kernel...] of int8 or uint8, widened to 16 bits: panels of 16 output channels of a group, for each
// pair of (tap, input channel) 16 pairs of weights; of depthwise ones (cin == cout == groups) [kernel..., cout].
typedef struct apusk_conv_integer_pack_args {
  const void *weights;
  int16_t *packed;
  int32_t w_type;
  apusk_conv_geometry geometry;
} apusk_conv_integer_pack_args;

// Bytes of the packed weights; -1 if the sizes make no convolution or overflow.
int64_t apusk_conv_integer_packed_bytes(const apusk_conv_geometry *geometry);
// Each returns 0, 100 for sizes or types that make no convolution, 301 for an overflow.
int32_t apusk_conv_integer_pack_plan(apusk_conv_integer_pack_args *args, apusk_plan *plan);
int32_t apusk_conv_integer_plan(int32_t level, apusk_conv_integer_args *args, apusk_plan *plan);
// Packs everything at once, at prepare time.
void apusk_conv_integer_pack(const apusk_conv_integer_pack_args *args);

#ifdef __cplusplus
}
#endif
#endif
