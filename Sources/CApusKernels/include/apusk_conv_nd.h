// Convolutions over any number of spatial axes, and transposed ones, channels-last.
//
// y[b, o..., g*(cout/groups) + j] = tail(sum over taps t..., ci of x[b, i..., g*(cin/groups) + ci] * w)
//
// with, on each axis, i = o*stride - pad + t*dilation for a convolution; for a transposed one every i with
// o = i*stride - pad + t*dilation: only taps whose (o + pad - t*dilation) is a multiple of the stride reach o, so the
// outputs of one residue of o modulo the stride (a phase) are a plain convolution with these taps alone.
// Weights: [cout, cin/groups, kernel...] for a convolution, [cin, cout/groups, kernel...] for a transposed one.
//
// float32: the sum of a matrix product (apusk_gemm.h), k being the taps in row-major order of i, ci fastest, or a single
// chain where cin == groups > 1; a tap outside x contributes fma(+0, w, acc). float64: the same order, products and sums
// rounded one by one.
#ifndef APUSK_CONV_ND_H
#define APUSK_CONV_ND_H

#include "apusk_conv.h"

#ifdef __cplusplus
extern "C" {
#endif

// Most spatial axes.
#define APUSK_CONV_MAX_AXES 6

typedef struct apusk_conv_axis {
  int64_t input, output;
  int64_t kernel, stride, dilation;
  int64_t pad;      // before the first element; not negative
  // Written by the plan functions.
  int64_t common;   // greatest common divisor of stride and dilation
  int64_t inverse;  // of dilation / common modulo stride / common
} apusk_conv_axis;

typedef struct apusk_conv_geometry {
  int64_t batch, cin, cout, groups;
  int32_t axes;        // 1 ... APUSK_CONV_MAX_AXES
  int32_t transposed;  // 0 or 1
  apusk_conv_axis axis[APUSK_CONV_MAX_AXES];
} apusk_conv_geometry;

static inline void apusk_conv_geometry_set(apusk_conv_geometry *geometry, int32_t index, const apusk_conv_axis *axis) {
  geometry->axis[index] = *axis;
}
static inline apusk_conv_axis apusk_conv_geometry_axis(const apusk_conv_geometry *geometry, int32_t index) {
  return geometry->axis[index];
}

typedef struct apusk_conv_nd_args {
  const void *x;   // [batch, input..., cin]
  const void *w;   // float32: packed by apusk_conv_nd_pack_f32; float64: the operator's weights
  void *y;         // [batch, output..., cout]; may not overlap x
  const double *bias;  // float64's, [cout] or NULL
  apusk_conv_geometry geometry;
  apusk_tail tail;     // float32's; rows are output pixels, columns output channels; bias [cout]
  // Written by apusk_conv_nd_f32_plan.
  int64_t rows_per_unit;
  int64_t panels_per_unit;
} apusk_conv_nd_args;

// Weights, float32, to the packed form that apusk_conv_nd_f32_plan's kernel of the same level reads.
typedef struct apusk_conv_nd_pack_f32_args {
  const float *weights;
  float *packed;  // aligned to 64 bytes
  apusk_conv_geometry geometry;
} apusk_conv_nd_pack_f32_args;

// Bytes of the packed weights, after a check of the sizes; -1 if they make no convolution or overflow. The packing depends
// on channels, groups and level, and for a transposed convolution on all of the axes but `input`.
int64_t apusk_conv_nd_f32_packed_bytes(const apusk_conv_kernels *kernels, const apusk_conv_geometry *geometry);

// Each returns 0, 100 for sizes that make no convolution, 301 for an overflow.
int32_t apusk_conv_nd_pack_f32_plan(const apusk_conv_kernels *kernels, apusk_conv_nd_pack_f32_args *args, apusk_plan *plan);
int32_t apusk_conv_nd_f32_plan(const apusk_conv_kernels *kernels, apusk_conv_nd_args *args, apusk_plan *plan);
int32_t apusk_conv_nd_f64_plan(apusk_conv_nd_args *args, apusk_plan *plan);

// Packs everything at once, at prepare time; `geometry` is one that apusk_conv_nd_f32_packed_bytes accepted.
void apusk_conv_nd_pack_f32(const apusk_conv_kernels *kernels, const apusk_conv_geometry *geometry, const float *weights,
                            float *packed);

#ifdef __cplusplus
}
#endif
#endif
