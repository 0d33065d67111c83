// What follows from the sizes of a convolution of integers: which variant computes it, and where its windows are.
#ifndef APUSK_INTEGER_CONV_SHAPE_H
#define APUSK_INTEGER_CONV_SHAPE_H

#include "../conv/conv_nd.h"
#include "integer_isa.h"

typedef enum {
  // 1x1, stride 1, no padding: pixels are the rows of a plain product.
  APUSK_INTEGER_BY_POINTS,
  // Output pixels side by side are the rows of a tile that reads the input where it lies, or a padded copy of the input rows of
  // one band. Up to two axes.
  APUSK_INTEGER_BY_ROWS,
  // The window of each pixel is copied.
  APUSK_INTEGER_BY_WINDOWS,
  // One input channel for each output channel, from a padded copy. Up to two axes.
  APUSK_INTEGER_BY_CHANNELS
} apusk_integer_variant;

typedef struct apusk_integer_conv_shape {
  apusk_integer_variant variant;
  apusk_conv_axis h, w;                // of up to two axes
  int64_t group_cin, group_cout, panels;
  int64_t k, outer, run;               // run: bytes of the last axis; outer: of how many other taps
  int64_t group_bytes;                 // of packed weights
  int64_t pixels;                      // of all images
  bool staged;                         // rows of input are copied
  int64_t pixel, pitch;                // bytes between pixels and rows of what is read
  int64_t window_rows, window_width;   // input rows and columns under one row of output pixels
} apusk_integer_conv_shape;

apusk_integer_conv_shape apusk_integer_conv_shape_of(const apusk_conv_geometry *geometry);

static inline bool apusk_integer_is_depthwise(const apusk_conv_geometry *g) {
  return g->groups > 1 && g->cin == g->groups && g->cout == g->groups && g->axes <= 2;
}

// Channels that packed depthwise weights have.
static inline int64_t apusk_integer_depthwise_channels(int64_t channels) {
  return (channels + APUSK_INTEGER_COLUMNS - 1) / APUSK_INTEGER_COLUMNS * APUSK_INTEGER_COLUMNS;
}

// Bytes of scratch for the copied input of `rows` rows of output pixels. Whole vectors are read beyond the last one.
static inline int64_t apusk_integer_staged_bytes(const apusk_integer_conv_shape *shape, int64_t rows) {
  return (((rows - 1) * shape->h.stride + shape->window_rows) * shape->pitch + 127) & ~(int64_t)63;
}

// Copies the input under output rows oy ..< oy + rows of image `image`, channels first_channel ..< + shape->pixel.
void apusk_integer_stage(const apusk_integer_conv_args *args, const apusk_integer_conv_shape *shape, int64_t image, int64_t oy,
                         int64_t rows, int64_t first_channel, uint8_t *staged);

int32_t apusk_integer_depthwise_run(const void *args, int64_t begin, int64_t end, apusp_worker *worker);
int32_t apusk_integer_depthwise_cut(const apusk_integer_isa *isa, apusk_integer_conv_args *args,
                                    const apusk_integer_conv_shape *shape, apusk_plan *plan);

#endif
