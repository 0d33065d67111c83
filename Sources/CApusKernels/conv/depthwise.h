// Between the loops of depthwise convolution and the kernels of a level.
#ifndef APUSK_DEPTHWISE_H
#define APUSK_DEPTHWISE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

// A row of output pixels, `channels` channels. Pixel i is
//   min(max(bias[c] + sum over ky, kx of x[origin + ky * x_row + (i * stride + kx * dilation) * x_pixel + c]
//                                         * w[(ky * kw + kx) * w_tap + c], low), high)
// where kernel rows outside first_row ..< end_row and columns i * stride + kx * dilation outside first_column ..<
// end_column count as +0 and are not read.
typedef struct apusk_depthwise {
  const float *x;
  int64_t origin, x_pixel, x_row;
  const float *w;
  int64_t w_tap;
  float *y;
  int64_t y_pixel;
  int64_t kh, kw, stride, dilation;
  int64_t first_row, end_row, first_column, end_column;
  int64_t pixels, channels;
  const float *bias;  // NULL: none
  float low, high;    // infinite where there is no bound
  int64_t group;      // for apusk_depthwise_run_sevens with a grouped kernel
} apusk_depthwise;

// Raw sums of one pixel whose window lies in `x`, tap after tap, `channels` floats each.
static inline apusk_depthwise apusk_depthwise_window(const float *x, int64_t channels, int64_t taps, const float *w,
                                                     int64_t w_tap, float *y) {
  return (apusk_depthwise){
      .x = x, .x_pixel = channels, .w = w, .w_tap = w_tap, .y = y, .kh = 1, .kw = taps, .stride = 1, .dilation = 1,
      .end_row = 1, .end_column = taps, .pixels = 1, .channels = channels, .low = -INFINITY, .high = INFINITY,
  };
}

// Pixels that share the input columns under them: each column is loaded once for all the pixels and taps that read it,
// and meets each sum in the order of its taps. The common image widths, 7 * 2^n, leave no rest; with the weights of a
// kernel row the sums fit 16 registers.
#define APUSK_DEPTHWISE_PIXELS 7

// Up to seven pixels side by side, or `sevens` times seven where all their input exists; a vector of channels at least.
// `columns` has for each kernel row the places of the (7 - 1) * stride + kw columns of input under the first seven: zeros
// stand in for those that don't exist. Those of the next ones are `shift` floats on.
typedef struct apusk_depthwise_seven {
  const float *const *columns;
  int64_t sevens, shift;
  const float *w;
  int64_t w_tap, kh;
  int64_t group;  // of the grouped kernels: channels c / group * group ... of the input belong to channel c of the output
  float *y;
  int64_t y_pixel;
  int64_t pixels, channels;
  const float *bias;
  float low, high;
} apusk_depthwise_seven;

// A row through the kernel for its width and stride, which must have dilation 1. At most 2 *
// APUSK_CONV_DEPTHWISE_CHANNELS - 1 channels, and APUSK_DEPTHWISE_MOST_ROWS kernel rows.
void apusk_depthwise_run_sevens(void (*kernel)(const apusk_depthwise_seven *seven), const apusk_depthwise *row);

// The kernel widths and strides that have such a kernel: for kw 3 and 5 strides 1 and 2, for kw 7 stride 1; after them those
// for groups of a power of two channels, with w[((ky * kw + kx) * group + ci) * w_tap + c]: kw 3, strides 1 and 2.
#define APUSK_DEPTHWISE_KINDS 5
#define APUSK_DEPTHWISE_GROUPED 5
#define APUSK_DEPTHWISE_ALL_KINDS 7
#define APUSK_DEPTHWISE_MOST_ROWS 7
#define APUSK_DEPTHWISE_MOST_COLUMNS 17

#endif
