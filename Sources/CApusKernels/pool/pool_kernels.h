// Template: pooling of channels-last images.
#include <stdbool.h>

#include "../math/vectors.h"
#include "pool_level.h"
#include "pool_range.h"

// The input pixels of one output pixel: `rows` x `columns` from `corner` on, `row_step` and `column_step` floats apart.
typedef struct pool_window {
  const float *corner;
  int64_t rows, columns, row_step, column_step;
  float divisor;
} pool_window;

// `vectors` vectors of `n` channels each from channel c on; n < 16 with one vector only.
APUSK_INLINE void pool_channels(
    const pool_window *window, float *output, int64_t c, const int vectors, int64_t n, const int32_t function) {
  f32x16 result[2];
  i32x16 nan[2];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    result[v] = splat(function == APUSK_POOL_MAX ? -INFINITY : 0.0f);
    nan[v] = (i32x16)0;
  }
  for (int64_t i = 0; i < window->rows; i++) {
    const float *p = window->corner + i * window->row_step + c;
    for (int64_t j = 0; j < window->columns; j++, p += window->column_step) {
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) {
        f32x16 x = load_lanes(p + v * APUSK_LANES, n);
        if (function == APUSK_POOL_MAX) {
          result[v] = x > result[v] ? x : result[v];
          nan[v] |= x != x;
        } else {
          result[v] += x;
        }
      }
    }
  }
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    f32x16 y = function == APUSK_POOL_MAX ? (nan[v] ? splat(NAN) : result[v]) : result[v] / window->divisor;
    store_lanes(output + c + v * APUSK_LANES, y, n);
  }
}

APUSK_INLINE void pool_pixel(const pool_window *window, float *output, int64_t channels, const int32_t function) {
  int64_t c = 0;
  for (; APUSK_ISA > 0 && c + 2 * APUSK_LANES <= channels; c += 2 * APUSK_LANES) {
    pool_channels(window, output, c, 2, APUSK_LANES, function);
  }
  for (; c < channels; c += APUSK_LANES) pool_channels(window, output, c, 1, channels - c, function);
}

// A maximum of two rows of two, whose vectors fit the registers; the usual one.
APUSK_INLINE void pool_four(const pool_window *window, float *output, int64_t c, int64_t n) {
  const float *p = window->corner + c, *q = p + window->row_step;
  f32x16 a = load_lanes(p, n), b = load_lanes(p + window->column_step, n);
  f32x16 d = load_lanes(q, n), e = load_lanes(q + window->column_step, n);
  i32x16 nan = (a != a) | (b != b) | (d != d) | (e != e);
  a = b > a ? b : a;
  a = d > a ? d : a;
  a = e > a ? e : a;
  store_lanes(output + c, nan ? splat(NAN) : a, n);
}

// `count` output pixels whose windows are alike, `step` floats apart.
APUSK_INLINE void pool_run(const apusk_pool_args *args, pool_window *window, float *output, int64_t count, int64_t step,
                           const int32_t function) {
  const int64_t channels = args->channels;
  const bool four = function == APUSK_POOL_MAX && window->rows == 2 && window->columns == 2;
  for (; count > 0; count--) {
    if (!four) {
      pool_pixel(window, output, channels, function);
    } else if (channels < APUSK_LANES) {
      pool_four(window, output, 0, channels);
    } else {
      int64_t c = 0;
      for (; c + APUSK_LANES <= channels; c += APUSK_LANES) pool_four(window, output, c, APUSK_LANES);
      if (c < channels) pool_four(window, output, c, channels - c);
    }
    window->corner += step;
    output += args->output_pixel_stride;
  }
}

APUSK_INLINE int32_t pool_pixels(const apusk_pool_args *args, int64_t begin, int64_t end, const int32_t function) {
  if (begin >= end) return 0;
  int64_t column = begin % args->output_width, row = begin / args->output_width % args->output_height;
  int64_t image = begin / args->output_width / args->output_height;
  pool_range y = {0, 0};
  int64_t padded_rows = 0;
  pool_window window = {
      .row_step = args->dilation_height * args->input_width * args->input_pixel_stride,
      .column_step = args->dilation_width * args->input_pixel_stride,
  };
  // Output columns whose windows lie within the image's width end before this one.
  const int64_t reach = args->input_width + args->pad_left - (args->kernel_width - 1) * args->dilation_width;
  const int64_t end_inside = reach > 0 ? (reach - 1) / args->stride_width + 1 : 0;
  for (int64_t unit = begin; unit < end;) {
    int64_t top = row * args->stride_height - args->pad_top, left = column * args->stride_width - args->pad_left;
    if (unit == begin || column == 0) {
      y = positions_inside(top, args->dilation_height, args->kernel_height, args->input_height);
      // The padded image begins at -pad: count the positions inside it, none of which is before its beginning.
      pool_range padded = positions_inside(
          top + args->pad_top, args->dilation_height, args->kernel_height,
          args->input_height + args->pad_top + args->pad_bottom);
      padded_rows = padded.last - padded.first;
    }
    pool_range x = positions_inside(left, args->dilation_width, args->kernel_width, args->input_width);
    window.rows = y.last - y.first;
    window.columns = x.last - x.first;
    window.corner = args->input;
    if (window.rows > 0 && window.columns > 0) {
      int64_t pixel_row = image * args->input_height + top + y.first * args->dilation_height;
      window.corner += (pixel_row * args->input_width + left + x.first * args->dilation_width) * args->input_pixel_stride;
    }
    if (function == APUSK_POOL_AVERAGE) {
      int64_t count = window.rows * window.columns;
      if (args->count_include_pad) {
        pool_range padded = positions_inside(
            left + args->pad_left, args->dilation_width, args->kernel_width,
            args->input_width + args->pad_left + args->pad_right);
        count = padded_rows * (padded.last - padded.first);
      }
      window.divisor = count > 0 ? (float)count : 1.0f;
    }
    int64_t count = 1;
    if (window.columns == args->kernel_width && left >= 0) {
      count = end_inside < args->output_width ? end_inside - column : args->output_width - column;
      if (count > end - unit) count = end - unit;
    }
    pool_run(args, &window, args->output + unit * args->output_pixel_stride, count,
             args->stride_width * args->input_pixel_stride, function);
    unit += count;
    column += count;
    if (column == args->output_width) {
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
