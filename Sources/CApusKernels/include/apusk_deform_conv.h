// Deformable convolution of images: each tap reads the input at a position of its own, with bilinear interpolation.
//
// y[b, oy, ox, g*(cout/groups) + j] = tail(sum over ky, kx, ci of
//     mask * x(b, oy*stride_h - pad_top + ky*dilation_h + dy, ox*stride_w - pad_left + kx*dilation_w + dx,
//              g*(cin/groups) + ci) * w[g*(cout/groups) + j, ci, ky, kx])
//
// with (dy, dx) and mask of the tap, the output pixel and the input channel's offset group. Between pixels x is interpolated
// from its four neighbours, those outside the image being 0. Sums as in apusk_conv.h.
#ifndef APUSK_DEFORM_CONV_H
#define APUSK_DEFORM_CONV_H

#include "apusk_conv.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct apusk_deform_conv_args {
  const void *x;       // [batch, ih, iw, cin]
  const void *w;       // float32: packed by apusk_conv2d_f32_pack; float64: [cout, cin/groups, kh, kw]
  const void *offset;  // [batch, offset_groups, kh, kw, 2, oh, ow]
  const void *mask;    // [batch, offset_groups, kh, kw, oh, ow], or NULL for ones
  void *y;             // [batch, oh, ow, cout]
  const double *bias;  // float64's, [cout] or NULL
  int64_t batch, ih, iw, cin, oh, ow, cout, groups, offset_groups;
  int64_t kh, kw, stride_h, stride_w, dilation_h, dilation_w;
  int64_t pad_top, pad_left;
  apusk_tail tail;     // float32's
  // Written by apusk_deform_conv_f32_plan.
  int64_t rows_per_unit;
  int64_t panels_per_unit;
} apusk_deform_conv_args;

// Each returns 0, 100 for sizes that make no convolution, 301 for an overflow.
int32_t apusk_deform_conv_f32_plan(const apusk_conv_kernels *kernels, apusk_deform_conv_args *args, apusk_plan *plan);
int32_t apusk_deform_conv_f64_plan(apusk_deform_conv_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
