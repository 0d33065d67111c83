// Depthwise convolution: a unit is a band of output rows of one image and one part of the channels.
//
// Pixels whose windows lie inside the image read it where it is. Rows that reach beyond its top or bottom are done on a
// padded copy of their input rows, the pixels at the left and right edges on copies of their windows. Where a channel
// has several outputs, the copy of a whole band repeats it for each.
#include "conv_isa.h"

// Pixels first ..< end of a row have windows inside the image from left to right.
typedef struct inner_pixels {
  int64_t first, end;
} inner_pixels;

static inner_pixels inner_pixels_of(const apusk_conv2d_f32_args *args) {
  int64_t reach = args->iw + args->pad_left - ((args->kw - 1) * args->dilation_w + 1);
  inner_pixels inner = {apusk_divide_up(args->pad_left, args->stride_w), reach < 0 ? 0 : reach / args->stride_w + 1};
  if (inner.end > args->ow) inner.end = args->ow;
  if (inner.first > inner.end) inner.first = inner.end;
  return inner;
}

// The geometry of a padded copy of the rows under one row of output.
static apusk_conv_shape one_row(const apusk_conv_shape *shape, int64_t channels) {
  apusk_conv_shape row = *shape;
  row.pixel = channels;
  row.pitch = shape->window_width * channels;
  return row;
}

static int64_t channels_per_unit(const apusk_conv2d_f32_args *args) {
  return args->cout < APUSK_CONV_DEPTHWISE_CHANNELS ? args->cout : APUSK_CONV_DEPTHWISE_CHANNELS;
}

// Whether a copy of the rows under one row of output is small enough; else its pixels are done window by window.
static bool can_stage_row(const apusk_conv_shape *shape, int64_t channels) {
  int64_t floats;
  return !__builtin_mul_overflow(shape->window_width, channels, &floats) &&
         !__builtin_mul_overflow(floats, shape->window_rows, &floats) && floats <= APUSK_CONV_MOST_STAGED;
}

int32_t apusk_conv2d_depthwise_f32_cut(const apusk_conv_isa *isa, apusk_conv2d_f32_args *args,
                                       const apusk_conv_shape *shape, apusk_plan *plan) {
  int64_t channels = channels_per_unit(args);
  int64_t speed = isa->gemm->multiplies_per_us / 2;
  double row = (double)args->ow * (double)channels * (double)args->kh * (double)args->kw;
  // Bands of about 10 us whose input stays in the L2 cache.
  int64_t rows = 1;
  while (rows < args->oh && row * (double)rows < 10.0 * (double)speed &&
         (!shape->staged || apusk_conv_staged_floats(args, shape, rows + 1) <= 32768)) {
    rows++;
  }
  rows = apusk_divide_up(args->oh, apusk_divide_up(args->oh, rows));
  int64_t floats = args->kh * args->kw * channels;
  if (shape->staged) {
    floats = apusk_conv_staged_floats(args, shape, rows);
  } else if (can_stage_row(shape, channels) && floats < shape->window_rows * shape->window_width * channels) {
    floats = shape->window_rows * shape->window_width * channels;
  }
  plan->scratch_bytes = shape->staged || shape->padded || shape->group_cout > 1 ? floats * (int64_t)sizeof(float) : 0;
  args->rows_per_unit = rows;
  args->panels_per_unit = channels;
  plan->grain = apusk_gemm_grain(row * (double)rows, speed);
  if (__builtin_mul_overflow(apusk_divide_up(args->oh, rows) * apusk_divide_up(args->cout, channels), args->batch,
                             &plan->units)) {
    return 301;
  }
  return 0;
}

typedef struct band {
  const apusk_conv_isa *isa;
  const apusk_conv2d_f32_args *args;
  const apusk_conv_shape *shape;
  int64_t image, first_channel, channels;
  float *scratch;
  apusk_depthwise pixels;  // weights, sizes, tail
} band;

static void run_windows(const band *b, int64_t oy, int64_t first, int64_t end, float *y) {
  const apusk_conv2d_f32_args *args = b->args;
  apusk_depthwise d = b->pixels;
  d.x = b->scratch;
  d.x_x = b->channels;
  d.x_y = args->kw * b->channels;
  d.pixels = 1;
  for (int64_t ox = first; ox < end; ox++) {
    apusk_conv_window(args, b->image, oy, ox, b->first_channel, b->channels, b->shape->group_cout, 0,
                      args->kh * args->kw * b->channels, b->scratch);
    d.y = y + ox * args->y_pixel_stride;
    b->isa->depthwise(&d);
  }
}

// `x` is where the window of pixel `first` begins.
static void run_pixels(const band *b, const apusk_conv_shape *shape, const float *x, int64_t first, int64_t end,
                       float *y) {
  const apusk_conv2d_f32_args *args = b->args;
  apusk_depthwise d = b->pixels;
  d.x_pixel = args->stride_w * shape->pixel;
  d.x_y = args->dilation_h * shape->pitch;
  d.x_x = args->dilation_w * shape->pixel;
  d.x = x;
  d.y = y + first * args->y_pixel_stride;
  d.pixels = end - first;
  b->isa->depthwise(&d);
}

// One row of output from the image itself, `y` at its first pixel.
static void run_row(const band *b, int64_t oy, float *y) {
  const apusk_conv2d_f32_args *args = b->args;
  const apusk_conv_shape *shape = b->shape;
  int64_t top = oy * args->stride_h - args->pad_top;
  inner_pixels inner = inner_pixels_of(args);
  bool whole = top >= 0 && top + shape->window_rows <= args->ih;
  if (shape->group_cout == 1 && whole && (inner.end - inner.first >= 4 || inner.end - inner.first == args->ow)) {
    int64_t left = inner.first * args->stride_w - args->pad_left;
    const float *x = args->x + (b->image * args->ih + top) * shape->pitch + left * shape->pixel + b->first_channel;
    run_pixels(b, shape, x, inner.first, inner.end, y);
    run_windows(b, oy, 0, inner.first, y);
    run_windows(b, oy, inner.end, args->ow, y);
  } else if (can_stage_row(shape, b->channels)) {
    const apusk_conv_shape row = one_row(shape, b->channels);
    apusk_conv_stage(args, &row, b->image, oy, 1, b->first_channel, b->channels, shape->group_cout, b->scratch);
    run_pixels(b, &row, b->scratch, 0, args->ow, y);
  } else {
    run_windows(b, oy, 0, args->ow, y);
  }
}

int32_t apusk_conv2d_depthwise_f32_run(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, int64_t begin,
                                       int64_t end, apusp_worker *worker) {
  const apusk_conv_shape shape = apusk_conv_shape_of(args, isa->gemm->kernels.nr);
  const apusk_tail *tail = &args->tail;
  bool fused = tail->scale == 1.0f && !tail->residual && tail->activation != APUSK_ACTIVATION_SIGMOID &&
               tail->activation != APUSK_ACTIVATION_TANH;
  int64_t bands = apusk_divide_up(args->oh, args->rows_per_unit);
  int64_t parts = apusk_divide_up(args->cout, args->panels_per_unit);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t first = unit % parts * args->panels_per_unit;
    int64_t oy = unit / parts % bands * args->rows_per_unit, image = unit / parts / bands;
    int64_t channels = args->cout - first < args->panels_per_unit ? args->cout - first : args->panels_per_unit;
    int64_t rows = args->oh - oy < args->rows_per_unit ? args->oh - oy : args->rows_per_unit;
    const float *bias = tail->bias ? tail->bias + first : NULL;
    band b = {
        isa, args, &shape, image, first, channels, worker->scratch,
        {.w = args->w + first, .w_tap = apusk_conv_depthwise_columns(args->cout), .y_pixel = args->y_pixel_stride,
         .kh = args->kh, .kw = args->kw, .channels = channels, .tail = fused ? tail : NULL, .bias = bias},
    };
    if (shape.staged) {
      apusk_conv_stage(args, &shape, image, oy, rows, first, channels, shape.group_cout, b.scratch);
    }
    for (int64_t r = 0; r < rows; r++) {
      int64_t pixel = (image * args->oh + oy + r) * args->ow;
      float *y = args->y + pixel * args->y_pixel_stride + first;
      if (shape.staged) {
        run_pixels(&b, &shape, b.scratch + r * args->stride_h * shape.pitch, 0, args->ow, y);
      } else {
        run_row(&b, oy + r, y);
      }
      if (fused) continue;
      apusk_finish finish = {
          .tail = tail, .bias = bias, .source = y, .source_row = args->y_pixel_stride, .output = y,
          .output_row = args->y_pixel_stride, .rows = args->ow, .columns = channels,
      };
      if (tail->residual) {
        finish.residual = tail->residual + pixel * tail->residual_row_stride + first * tail->residual_column_stride;
      }
      isa->gemm->finish(&finish);
    }
  }
  return 0;
}
