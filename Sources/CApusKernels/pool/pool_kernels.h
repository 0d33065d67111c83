// Template: pooling of channels-last images.
#include "../math/vectors.h"
#include "pool_level.h"

// The window positions first ..< last along one axis whose input index start + i * dilation is in 0 ..< size.
typedef struct pool_range {
  int64_t first, last;
} pool_range;

static pool_range positions_inside(int64_t start, int64_t dilation, int64_t kernel, int64_t size) {
  pool_range range = {0, 0};
  if (start < 0) range.first = (-start + dilation - 1) / dilation;
  if (size > start) range.last = (size - start + dilation - 1) / dilation;
  if (range.last > kernel) range.last = kernel;
  if (range.last < range.first) range.last = range.first;
  return range;
}

// One output pixel: `rows` x `columns` input pixels from `corner` on, `row_step` and `column_step` floats apart.
APUSK_INLINE void max_pixel(
    const float *corner, int64_t rows, int64_t columns, int64_t row_step, int64_t column_step, float *output,
    int64_t channels) {
  for (int64_t c = 0; c < channels; c += APUSK_LANES) {
    f32x16 largest = splat(-INFINITY);
    for (int64_t i = 0; i < rows; i++) {
      const float *p = corner + i * row_step + c;
      for (int64_t j = 0; j < columns; j++, p += column_step) {
        f32x16 x = load_lanes(p, channels - c);
        largest = ((x > largest) | (x != x)) ? x : largest;
      }
    }
    store_lanes(output + c, largest, channels - c);
  }
}

APUSK_INLINE void average_pixel(
    const float *corner, int64_t rows, int64_t columns, int64_t row_step, int64_t column_step, float *output,
    int64_t channels, int64_t count) {
  float divisor = count > 0 ? (float)count : 1.0f;
  for (int64_t c = 0; c < channels; c += APUSK_LANES) {
    f32x16 sum = splat(0.0f);
    for (int64_t i = 0; i < rows; i++) {
      const float *p = corner + i * row_step + c;
      for (int64_t j = 0; j < columns; j++, p += column_step) sum += load_lanes(p, channels - c);
    }
    store_lanes(output + c, sum / divisor, channels - c);
  }
}

APUSK_INLINE int32_t pool_pixels(const apusk_pool_args *args, int64_t begin, int64_t end, int32_t function) {
  if (begin >= end) return 0;
  int64_t column = begin % args->output_width, row = begin / args->output_width % args->output_height;
  int64_t image = begin / args->output_width / args->output_height;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t top = row * args->stride_height - args->pad_top, left = column * args->stride_width - args->pad_left;
    pool_range y = positions_inside(top, args->dilation_height, args->kernel_height, args->input_height);
    pool_range x = positions_inside(left, args->dilation_width, args->kernel_width, args->input_width);
    int64_t rows = y.last - y.first, columns = x.last - x.first;
    const float *corner = args->input;
    if (rows > 0 && columns > 0) {
      int64_t pixel_row = image * args->input_height + top + y.first * args->dilation_height;
      corner += (pixel_row * args->input_width + left + x.first * args->dilation_width) * args->input_pixel_stride;
    }
    int64_t row_step = args->dilation_height * args->input_width * args->input_pixel_stride;
    int64_t column_step = args->dilation_width * args->input_pixel_stride;
    float *output = args->output + unit * args->output_pixel_stride;
    if (function == APUSK_POOL_MAX) {
      max_pixel(corner, rows, columns, row_step, column_step, output, args->channels);
    } else {
      int64_t count = rows * columns;
      if (args->count_include_pad) {
        // The padded image begins at -pad: count the positions inside it, none of which is before its beginning.
        pool_range padded_y = positions_inside(
            top + args->pad_top, args->dilation_height, args->kernel_height,
            args->input_height + args->pad_top + args->pad_bottom);
        pool_range padded_x = positions_inside(
            left + args->pad_left, args->dilation_width, args->kernel_width,
            args->input_width + args->pad_left + args->pad_right);
        count = (padded_y.last - padded_y.first) * (padded_x.last - padded_x.first);
      }
      average_pixel(corner, rows, columns, row_step, column_step, output, args->channels, count);
    }
    if (++column == args->output_width) {
      column = 0;
      if (++row == args->output_height) {
        row = 0;
        image++;
      }
    }
  }
  return 0;
}

static int32_t max_pool(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return pool_pixels(args, begin, end, APUSK_POOL_MAX);
}

static int32_t average_pool(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return pool_pixels(args, begin, end, APUSK_POOL_AVERAGE);
}

const apusk_pool_level APUSK_ISA_NAME(apusk_pool) = {
    .by_function = {[APUSK_POOL_MAX] = max_pool, [APUSK_POOL_AVERAGE] = average_pool},
};
