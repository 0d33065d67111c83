// Max and average pooling over channels-last images, float32. One-dimensional pooling is height 1 with kernel height 1.
#ifndef APUSK_POOL_H
#define APUSK_POOL_H

#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// input [batch, input_height, input_width, channels] and output [batch, output_height, output_width, channels], whose pixels lie
// pixel_stride floats apart (channels for dense ones). The output size is the operator's affair (ceil_mode included): output
// pixel (y, x) covers input rows y * stride_height - pad_top + i * dilation_height, i < kernel_height, and columns likewise.
// A unit is one output pixel. output must not overlap input.
typedef struct apusk_pool_args {
  const float *input;
  float *output;
  int64_t batch;
  int64_t channels;
  int64_t input_height;
  int64_t input_width;
  int64_t input_pixel_stride;
  int64_t output_height;
  int64_t output_width;
  int64_t output_pixel_stride;
  int64_t kernel_height;
  int64_t kernel_width;
  int64_t stride_height;
  int64_t stride_width;
  int64_t dilation_height;
  int64_t dilation_width;
  int64_t pad_top;
  int64_t pad_left;
  int64_t pad_bottom;  // pad_bottom and pad_right matter only to count_include_pad
  int64_t pad_right;
  int32_t count_include_pad;
  int32_t reserved;
} apusk_pool_args;

// The largest element of the window inside the image; NaN if any is NaN (as numpy.max); of 0 and -0 the first in
// row-major order; -inf if the window has no element inside the image.
#define APUSK_POOL_MAX 0
// The window's elements inside the image, added one after the other in row-major order, divided by their number, or with
// count_include_pad by the number of window elements inside the padded image. 0 if that number is 0.
#define APUSK_POOL_AVERAGE 1

// Returns 0, or 100 for an unknown function or level.
int32_t apusk_pool_plan(int32_t level, int32_t function, const apusk_pool_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
