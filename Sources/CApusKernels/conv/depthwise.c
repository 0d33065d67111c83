// Depthwise convolution: a unit is a band of output rows of one image and one part of the channels.
//
// The kernel reads the image where it is, and +0 for what lies beyond its edges. Where a channel has several outputs it
// reads a padded copy of the band's input that repeats the channel for each, or a copy of each window where that would
// be too large.
#include "conv_isa.h"

int32_t apusk_conv2d_depthwise_f32_cut(const apusk_conv_isa *isa, apusk_conv2d_f32_args *args,
                                       const apusk_conv_shape *shape, apusk_plan *plan) {
  int64_t channels = apusk_conv_depthwise_part(args->cout), parts = apusk_conv_depthwise_parts(args->cout);
  int64_t speed = isa->gemm->multiplies_per_us / 2;
  double row = (double)args->ow * (double)channels * (double)args->kh * (double)args->kw;
  // Bands of about 10 us whose input stays in the L2 cache, and 8 of them at least: threads should keep the part of the image
  // that they have in their caches from layer to layer.
  int64_t rows = 1;
  while (rows < args->oh && row * (double)rows < 10.0 * (double)speed && (shape->staged || 8 * rows < args->oh) &&
         (!shape->staged || apusk_conv_staged_floats(args, shape, rows + 1) <= 32768)) {
    rows++;
  }
  rows = apusk_divide_up(args->oh, apusk_divide_up(args->oh, rows));
  if (shape->group_cout > 1) {
    int64_t floats = args->kh * args->kw * apusk_conv_depthwise_last(args->cout);
    if (shape->staged) floats = apusk_conv_staged_floats(args, shape, rows);
    plan->scratch_bytes = floats * (int64_t)sizeof(float);
  }
  args->rows_per_unit = rows;
  args->panels_per_unit = channels;
  plan->grain = apusk_gemm_grain(row * (double)rows, speed);
  if (__builtin_mul_overflow(apusk_divide_up(args->oh, rows) * parts, args->batch, &plan->units)) {
    return 301;
  }
  return 0;
}

bool apusk_depthwise_fuse_tail(const apusk_tail *tail, apusk_depthwise *d) {
  d->low = -INFINITY;
  d->high = INFINITY;
  if (tail->scale != 1.0f || tail->residual) return false;
  if (tail->activation == APUSK_ACTIVATION_RELU) d->low = 0.0f;
  if (tail->activation == APUSK_ACTIVATION_CLIP) {
    d->low = tail->alpha;
    d->high = tail->beta;
  }
  return true;
}

// The activation of a row of pixels, which lie without a gap where one unit has all channels of a dense image.
static void activate_row(const apusk_conv_isa *isa, const apusk_tail *tail, const apusk_depthwise *d) {
  if (apusk_activation_is_bound(tail->activation)) return;
  bool dense = d->y_pixel == d->channels;
  isa->gemm->activate(d->y, dense ? 1 : d->pixels, d->y_pixel, dense ? d->pixels * d->channels : d->channels,
                      tail->activation, tail->alpha, tail->beta);
}

// What columns beyond the image read: as many channels as a unit has.
static const float zeros[2 * APUSK_CONV_DEPTHWISE_CHANNELS];

// The place of each input column under seven pixels from `pixel` on.
static void find_columns(const apusk_depthwise *d, int64_t pixel, const float **columns) {
  int64_t first = pixel * d->stride, end = first + (APUSK_DEPTHWISE_PIXELS - 1) * d->stride + d->kw;
  for (int64_t ky = 0; ky < d->kh; ky++) {
    bool exists = ky >= d->first_row && ky < d->end_row;
    int64_t at = d->origin + ky * d->x_row + first * d->x_pixel;
    for (int64_t column = first; column < end; column++, at += d->x_pixel) {
      *columns++ = exists && column >= d->first_column && column < d->end_column ? d->x + at : zeros;
    }
  }
}

void apusk_depthwise_run_sevens(void (*kernel)(const apusk_depthwise_seven *seven), const apusk_depthwise *d) {
  const float *columns[APUSK_DEPTHWISE_MOST_ROWS * APUSK_DEPTHWISE_MOST_COLUMNS];
  apusk_depthwise_seven seven = {
      .columns = columns, .w = d->w, .w_tap = d->w_tap, .kh = d->kh, .group = d->group, .y_pixel = d->y_pixel,
      .channels = d->channels, .bias = d->bias, .low = d->low, .high = d->high,
  };
  const bool rows_exist = d->first_row == 0 && d->end_row == d->kh;
  const int64_t reach = (APUSK_DEPTHWISE_PIXELS - 1) * d->stride + d->kw;
  seven.shift = APUSK_DEPTHWISE_PIXELS * d->stride * d->x_pixel;
  for (int64_t pixel = 0; pixel < d->pixels; pixel += seven.sevens * APUSK_DEPTHWISE_PIXELS) {
    int64_t first = pixel * d->stride;
    seven.sevens = 1;
    if (rows_exist && first >= d->first_column) {
      // As many as lie inside the image side by side.
      int64_t room = (d->end_column - first - reach) / (APUSK_DEPTHWISE_PIXELS * d->stride) + 1;
      int64_t whole = (d->pixels - pixel) / APUSK_DEPTHWISE_PIXELS;
      int64_t most = first + reach > d->end_column ? 0 : room < whole ? room : whole;
      if (most > 1) seven.sevens = most;
    }
    find_columns(d, pixel, columns);
    seven.y = d->y + pixel * d->y_pixel;
    seven.pixels = d->pixels - pixel;
    kernel(&seven);
  }
}

static void run_row(const apusk_conv_isa *isa, const apusk_depthwise *d) {
  static const struct { int32_t kw, stride; } kinds[APUSK_DEPTHWISE_KINDS] = {{3, 1}, {3, 2}, {5, 1}, {5, 2}, {7, 1}};
  for (int i = 0; i < APUSK_DEPTHWISE_KINDS && isa->lanes > 1 && d->channels >= isa->lanes; i++) {
    if (kinds[i].kw == d->kw && kinds[i].stride == d->stride && d->dilation == 1 && d->kh <= APUSK_DEPTHWISE_MOST_ROWS &&
        d->pixels > 2) {
      apusk_depthwise_run_sevens(isa->depthwise_seven[i], d);
      return;
    }
  }
  isa->depthwise(d);
}

// A row through copies of its windows, for channels with several outputs.
static void run_windows(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, const apusk_depthwise *d,
                        int64_t image, int64_t oy, int64_t first_channel, float *scratch) {
  int64_t taps = args->kh * args->kw;
  apusk_depthwise window = apusk_depthwise_window(scratch, d->channels, taps, d->w, d->w_tap, d->y);
  window.bias = d->bias;
  window.low = d->low;
  window.high = d->high;
  for (int64_t ox = 0; ox < args->ow; ox++) {
    apusk_conv_window(args, image, oy, ox, first_channel, d->channels, args->cout / args->groups, 0,
                      taps * d->channels, scratch);
    isa->depthwise(&window);
    window.y += d->y_pixel;
  }
}

// How many of the kernel's rows begin before row `row` of the image, where the window begins `top` rows down in it.
static int64_t kernel_rows_before(const apusk_conv2d_f32_args *args, int64_t top, int64_t row) {
  int64_t rows = row > top ? apusk_divide_up(row - top, args->dilation_h) : 0;
  return rows < args->kh ? rows : args->kh;
}

void apusk_depthwise_place_row(const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape, int64_t image,
                               int64_t oy, int64_t first_channel, apusk_depthwise *d) {
  int64_t top = oy * args->stride_h - args->pad_top;
  d->first_row = kernel_rows_before(args, top, 0);
  d->end_row = kernel_rows_before(args, top, args->ih);
  d->origin = (image * args->ih + top) * shape->pitch - args->pad_left * shape->pixel + first_channel;
  d->y = args->y + (image * args->oh + oy) * args->ow * args->y_pixel_stride + first_channel;
}

void apusk_depthwise_finish_row(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, bool fused, int64_t image,
                                int64_t oy, int64_t first_channel, const apusk_depthwise *d) {
  const apusk_tail *tail = &args->tail;
  if (fused) {
    activate_row(isa, tail, d);
    return;
  }
  apusk_finish finish = {
      .tail = tail, .bias = tail->bias ? tail->bias + first_channel : NULL, .source = d->y, .source_row = d->y_pixel,
      .output = d->y, .output_row = d->y_pixel, .rows = d->pixels, .columns = d->channels,
  };
  if (tail->residual) {
    int64_t pixel = (image * args->oh + oy) * args->ow;
    finish.residual = tail->residual + pixel * tail->residual_row_stride + first_channel * tail->residual_column_stride;
  }
  isa->gemm->finish(&finish);
}

// Output rows oy ..< oy + rows of one part of the channels.
static void run_part(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                     apusk_depthwise *d, bool fused, int64_t image, int64_t oy, int64_t rows, int64_t part,
                     float *scratch) {
  const apusk_tail *tail = &args->tail;
  int64_t first = part * args->panels_per_unit;
  d->channels = part == apusk_conv_depthwise_parts(args->cout) - 1 ? args->cout - first : args->panels_per_unit;
  d->w = args->w + first;
  d->bias = fused && tail->bias ? tail->bias + first : NULL;
  if (shape->staged) {
    apusk_conv_stage(args, shape, image, oy, rows, first, d->channels, shape->group_cout, scratch);
  }
  for (int64_t r = 0; r < rows; r++) {
    apusk_depthwise_place_row(args, shape, image, oy + r, first, d);
    if (shape->group_cout > 1 && !shape->staged) {
      run_windows(isa, args, d, image, oy + r, first, scratch);
    } else {
      if (shape->staged) {
        d->origin = r * args->stride_h * shape->pitch;
        d->first_row = 0;
        d->end_row = args->kh;
      }
      run_row(isa, d);
    }
    apusk_depthwise_finish_row(isa, args, fused, image, oy + r, first, d);
  }
}

int32_t apusk_conv2d_depthwise_f32_run(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, int64_t begin,
                                       int64_t end, apusp_worker *worker) {
  const apusk_conv_shape shape = apusk_conv_shape_of(args, isa->gemm->kernels.nr);
  const apusk_tail *tail = &args->tail;
  apusk_depthwise d = {
      .x = shape.staged ? worker->scratch : args->x, .x_pixel = shape.pixel, .x_row = args->dilation_h * shape.pitch,
      .w_tap = apusk_conv_depthwise_columns(args->cout), .y_pixel = args->y_pixel_stride, .kh = args->kh, .kw = args->kw,
      .stride = args->stride_w, .dilation = args->dilation_w, .end_row = args->kh, .end_column = shape.window_width,
      .pixels = args->ow,
  };
  const bool fused = apusk_depthwise_fuse_tail(tail, &d);
  if (!shape.staged) {
    d.first_column = args->pad_left;
    d.end_column = args->pad_left + args->iw;
  }
  int64_t bands = apusk_divide_up(args->oh, args->rows_per_unit);
  int64_t parts = apusk_conv_depthwise_parts(args->cout);
  for (int64_t unit = begin; unit < end;) {
    int64_t part = unit % parts, band = unit / parts % bands, image = unit / parts / bands;
    int64_t oy = band * args->rows_per_unit;
    // Whole bands side by side are done as one: a part through all of them, then the next part, so that input rows are still
    // in the first-level cache when they are read again.
    int64_t joined = part > 0 || shape.staged ? 0 : (end - unit) / parts;
    if (joined > bands - band) joined = bands - band;
    int64_t rows = (joined > 1 ? joined : 1) * args->rows_per_unit;
    if (rows > args->oh - oy) rows = args->oh - oy;
    int64_t end_part = joined > 0 ? parts : part + 1;
    unit += joined > 0 ? joined * parts : 1;
    for (; part < end_part; part++) run_part(isa, args, &shape, &d, fused, image, oy, rows, part, worker->scratch);
  }
  return 0;
}
