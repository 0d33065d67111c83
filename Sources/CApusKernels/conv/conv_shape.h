// What follows from a convolution's sizes: which variant computes it, and the geometry of its input windows.
#ifndef APUSK_CONV_SHAPE_H
#define APUSK_CONV_SHAPE_H

#include "../gemm/gemm_block.h"
#include "apusk_conv.h"

typedef enum {
  // 1x1, stride 1, no padding: pixels are the rows of a plain product.
  APUSK_CONV_POINTWISE,
  // Output pixels side by side are the rows of a micro-kernel that reads the input where it lies (or a padded copy of
  // the input rows of one band), a run for each kernel row or tap.
  APUSK_CONV_ROWS,
  // Images too narrow for that: the window of each pixel is copied into a block of A.
  APUSK_CONV_WINDOWS,
  // One input channel for each output channel.
  APUSK_CONV_DEPTHWISE,
  // Groups of 2 or 4 channels: several of them in a vector, as in a depthwise convolution.
  APUSK_CONV_GROUPED,
  // What winograd.h describes.
  APUSK_CONV_WINOGRAD
} apusk_conv_variant;

typedef struct apusk_conv_shape {
  apusk_conv_variant variant;
  int64_t group_cin, group_cout;
  int64_t k;             // kh * kw * group_cin; points * group_cin
  int64_t panels;        // of one group
  int64_t group_floats;  // packed weights of one group
  int64_t window_rows, window_width;  // input pixels under one row of output pixels
  bool padded;           // some windows reach beyond the image
  bool lone;             // rows of one input channel and few output channels, as lone_channel.h computes them
  bool staged;           // input rows are copied to scratch, with their padding
  int64_t pixel, pitch;  // floats between pixels and between rows of what the micro-kernel reads
} apusk_conv_shape;

// A staged row of output takes at most so many floats; beyond (huge dilations) windows are copied one by one.
#define APUSK_CONV_MOST_STAGED (1 << 20)
// Fewest output pixels of a row of lone_channel.h: a vector of them.
#define APUSK_CONV_LONE_PIXELS 16
// Channels that a unit of the depthwise kernel takes; the last one takes the rest too, fewer than twice as many.
#define APUSK_CONV_DEPTHWISE_CHANNELS 128

static inline bool apusk_conv_is_depthwise(int64_t cin, int64_t groups) { return groups > 1 && cin == groups; }

// Weights of an input and an output channel, as they are packed.
static inline int64_t apusk_conv_taps(const apusk_conv2d_f32_args *args) {
  return args->winograd ? (int64_t)(args->winograd + 2) * (args->winograd + 2) : args->kh * args->kw;
}

// Floats of packed weights for each k of one group, and for each tap of a depthwise kernel.
static inline int64_t apusk_conv_group_columns(int64_t group_cout, int32_t nr) {
  int64_t last = apusk_gemm_panels(group_cout, nr) - 1;
  return last * nr + apusk_gemm_panel_width(group_cout, last, nr);
}
static inline int64_t apusk_conv_depthwise_parts(int64_t cout) {
  return cout < APUSK_CONV_DEPTHWISE_CHANNELS ? 1 : cout / APUSK_CONV_DEPTHWISE_CHANNELS;
}
static inline int64_t apusk_conv_depthwise_part(int64_t cout) {
  return cout < 2 * APUSK_CONV_DEPTHWISE_CHANNELS ? cout : APUSK_CONV_DEPTHWISE_CHANNELS;
}
static inline int64_t apusk_conv_depthwise_last(int64_t cout) {
  return cout - (apusk_conv_depthwise_parts(cout) - 1) * apusk_conv_depthwise_part(cout);
}
static inline int64_t apusk_conv_depthwise_columns(int64_t cout) { return (cout + 15) & ~(int64_t)15; }

// For sizes that apusk_conv2d_f32_plan accepts.
apusk_conv_shape apusk_conv_shape_of(const apusk_conv2d_f32_args *args, int32_t nr);

// Floats of scratch for the staged input of `rows` rows of output pixels, of `channels` channels.
static inline int64_t apusk_conv_staged_floats(const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                                               int64_t rows) {
  return ((rows - 1) * args->stride_h + shape->window_rows) * shape->pitch;
}

// Where the planes of lone_channel.h are in scratch, behind the staged input: room for two rows of up to 8 channels.
static inline int64_t apusk_conv_lone_planes(const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape) {
  return shape->staged ? (apusk_conv_staged_floats(args, shape, args->rows_per_unit) + 15) & ~(int64_t)15 : 0;
}

// Copies the input under output rows oy ..< oy + rows of image `image`, channels first_channel ..< + channels of those
// that the kernel sees (each input channel counts `repeat` times), to `staged`: zeros outside the image.
void apusk_conv_stage(const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape, int64_t image, int64_t oy,
                      int64_t rows, int64_t first_channel, int64_t channels, int64_t repeat, float *staged);

// Copies floats k0 ..< k0 + depth (order ky, kx, channel) of one output pixel's window to `target`.
void apusk_conv_window(const apusk_conv2d_f32_args *args, int64_t image, int64_t oy, int64_t ox, int64_t first_channel,
                       int64_t channels, int64_t repeat, int64_t k0, int64_t depth, float *target);

#endif
