// Depthwise convolutions of 8-bit integers: from a padded copy of a band's input, 64 channels at a time.
#include <string.h>

#include "conv_shape.h"

#define BAND_BYTES (256 << 10)
#define CHANNELS APUSK_INTEGER_COLUMNS

// Weights of 1 for 64 channels, in packed form: their sums are those of the windows, which zero points of weights take.
static int64_t ones_bytes(const apusk_integer_conv_shape *shape) {
  return apusk_integer_quads(shape->h.kernel) * shape->w.kernel * 4 * CHANNELS;
}

static void fill_ones(const apusk_integer_conv_shape *shape, uint8_t *ones) {
  const int64_t bytes = ones_bytes(shape), row = shape->w.kernel * 4 * CHANNELS;
  for (int64_t i = 0; i < bytes; i++) ones[i] = i / row * 4 + i % 4 < shape->h.kernel;
}

// A band of output rows oy ..< oy + rows.
typedef struct band_input {
  int64_t image, oy, rows;
  const uint8_t *inside;       // where the input itself has all its rows, and more around them: its first one; or NULL
  uint8_t *staged;             // room for a copy
  bool is_staged;
} band_input;

static void stage(const apusk_integer_conv_args *args, const apusk_integer_conv_shape *shape, band_input *input) {
  if (!input->is_staged) apusk_integer_stage(args, shape, input->image, input->oy, input->rows, 0, input->staged);
  input->is_staged = true;
}

// Channels first ..< first + count of a band.
static void run_channels(const apusk_integer_isa *isa, const apusk_integer_conv_args *args, const apusk_integer_conv_shape *shape,
                         const apusk_integer_block *band, band_input *input, int64_t first, int64_t count, uint8_t *ones) {
  const int64_t rows = input->rows;
  _Alignas(64) int32_t sums[APUSK_INTEGER_ROWS * CHANNELS], windows[APUSK_INTEGER_ROWS * CHANNELS];
  _Alignas(64) apusk_integer_columns columns = {.small = false};
  const apusk_integer_tail *tail = &args->tail;
  const int64_t all = apusk_integer_depthwise_channels(shape->pixel), bytes = apusk_integer_output_bytes(tail->output_type);
  const int8_t *w = args->w + 4 * (all + first);
  const bool b_zeros = apusk_integer_columns_of(band, first, count, (const int32_t *)(const void *)args->w + first, &columns);
  const apusk_integer_bytes byte_tail = apusk_integer_bytes_of(tail);
  apusk_integer_finish finish = apusk_integer_finish_of(band, &columns, &byte_tail);
  finish.count = count;
  finish.sums_row = CHANNELS;
  apusk_integer_depthwise d = {
      .x_pixel = shape->pixel, .stride = shape->w.stride,
      .dilation = shape->w.dilation, .kh = shape->h.kernel, .kw = shape->w.kernel,
      .flip = apusk_integer_flips[band->a_signed], .channels = count, .right = shape->window_width,
      .outside = apusk_integer_a_zero(band->a_zero, 0, band->a_signed),
  };
  const bool direct = isa->depthwise_bytes && bytes == 1 && columns.small && !b_zeros && !band->residual && d.kw == 3 &&
                      d.kh <= 4 && d.dilation == 1 && d.stride <= 2;
  // Few channels leave room in the vectors for a second row.
  _Alignas(64) int8_t twice[3][4 * CHANNELS];
  const bool pairs = count <= CHANNELS / 2;
  if (direct && pairs) {
    memcpy(columns.start + CHANNELS / 2, columns.start, sizeof columns.start / 2);
    memcpy(columns.scale + CHANNELS / 2, columns.scale, sizeof columns.scale / 2);
    for (int64_t i = 0; i < 6; i++) memcpy(twice[i / 2] + i % 2 * 2 * CHANNELS, w + i / 2 * 4 * all, 2 * CHANNELS);
  }
  const uint8_t *x = input->staged + first;
  int64_t pitch = shape->pitch;
  if (direct && input->inside) {
    pitch = shape->w.input * shape->pixel;
    x = input->inside - shape->w.pad * shape->pixel + first;
    d.left = shape->w.pad;
    d.right = shape->w.pad + shape->w.input;
  } else {
    stage(args, shape, input);
  }
  d.x_row = shape->h.dilation * pitch;
  for (int64_t r = 0; r < rows && direct; r += d.second ? 2 : 1) {
    d.second = pairs && r + 1 < rows ? shape->h.stride * pitch : 0;
    d.output_second = shape->w.output * band->c_row;
    d.x = x + r * shape->h.stride * pitch;
    d.pixels = shape->w.output;
    d.w = pairs ? twice[0] : w;
    d.w_tap = pairs ? 4 * CHANNELS : 4 * all;
    d.start = columns.start;
    finish.output = (char *)band->c + r * d.output_second + first;
    isa->depthwise_bytes(&d, &finish);
  }
  if (direct) return;
  static const int32_t zeros[CHANNELS];
  if (b_zeros) fill_ones(shape, ones);
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t pixel = 0; pixel < shape->w.output; pixel += d.pixels) {
      d.pixels = shape->w.output - pixel < APUSK_INTEGER_ROWS ? shape->w.output - pixel : APUSK_INTEGER_ROWS;
      d.x = x + r * shape->h.stride * pitch + pixel * d.stride * d.x_pixel;
      d.w = w;
      d.w_tap = 4 * all;
      d.start = columns.start;
      d.sums = sums;
      isa->depthwise(&d);
      if (b_zeros) {
        d.w = (const int8_t *)ones;
        d.w_tap = 4 * CHANNELS;
        d.start = zeros;
        d.sums = windows;
        isa->depthwise(&d);
        for (int64_t i = 0; i < d.pixels * CHANNELS; i++) {
          if (i % CHANNELS >= count) continue;
          sums[i] = (int32_t)((uint32_t)sums[i] - (uint32_t)columns.b_zero[i % CHANNELS] * (uint32_t)windows[i]);
        }
      }
      const int64_t at = (r * shape->w.output + pixel) * band->c_row + first;
      finish.sums = sums;
      finish.rows = d.pixels;
      finish.output = (char *)band->c + at * bytes;
      finish.residual = band->residual ? (const char *)band->residual + at : NULL;
      isa->finish(&finish);
      if (tail->output_type == APUSK_FLOAT32 && tail->activation != APUSK_ACTIVATION_NONE) {
        isa->activate(finish.output, finish.rows, finish.output_row, count, tail->activation, tail->activation_alpha,
                      tail->activation_beta);
      }
    }
  }
}

// Units: image, band of output rows.
int32_t apusk_integer_depthwise_run(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_integer_conv_args *args = args_;
  const apusk_integer_isa *isa = apusk_integer_isa_of(args->level);
  const apusk_conv_geometry *g = &args->geometry;
  const apusk_integer_tail *tail = &args->tail;
  const apusk_integer_conv_shape shape = apusk_integer_conv_shape_of(g);
  const int64_t bands = apusk_divide_up(shape.h.output, args->rows_per_unit);
  uint8_t *ones = worker->scratch, *staged = ones + ones_bytes(&shape);
  for (int64_t unit = begin; unit < end; unit++) {
    const int64_t image = unit / bands, oy = unit % bands * args->rows_per_unit;
    const int64_t rows = shape.h.output - oy < args->rows_per_unit ? shape.h.output - oy : args->rows_per_unit;
    const int64_t at = (image * shape.h.output + oy) * shape.w.output * g->cout;
    const int64_t top = oy * shape.h.stride - shape.h.pad, row_bytes = shape.w.input * g->cin;
    const int64_t bottom = top + (rows - 1) * shape.h.stride + shape.window_rows;
    band_input input = {.image = image, .oy = oy, .rows = rows, .staged = staged};
    if (top > 0 && bottom < shape.h.input && shape.w.pad <= shape.w.input && row_bytes >= CHANNELS) {
      input.inside = (const uint8_t *)args->x + (image * shape.h.input + top) * row_bytes;
    }
    const apusk_integer_block band = {
        .a_signed = args->x_type == APUSK_INT8, .b_signed = args->w_type == APUSK_INT8, .n = g->cout, .k = shape.k,
        .c = (char *)args->y + at * apusk_integer_output_bytes(tail->output_type),
        .residual = tail->residual ? (const char *)tail->residual + at : NULL, .c_row = g->cout, .tail = tail,
        .a_zero = tail->a_zero, .b_zero = tail->b_zero, .a_scale = tail->a_scale, .b_scale = tail->b_scale, .bias = tail->bias,
        .float_bias = tail->float_bias,
    };
    for (int64_t c = 0; c < g->cout; c += CHANNELS) {
      run_channels(isa, args, &shape, &band, &input, c, g->cout - c < CHANNELS ? g->cout - c : CHANNELS, ones);
    }
  }
  return 0;
}

int32_t apusk_integer_depthwise_cut(const apusk_integer_isa *isa, apusk_integer_conv_args *args,
                                    const apusk_integer_conv_shape *shape, apusk_plan *plan) {
  // A tenth of the speed of products. Bands of 10 us or so whose input stays in the L2 cache.
  const double speed = (double)isa->multiplies_per_us / 10.0;
  const double row = (double)shape->w.output * (double)shape->k * (double)args->geometry.cout;
  int64_t rows = 1;
  while (rows < shape->h.output && row * (double)rows < 10.0 * speed &&
         apusk_integer_staged_bytes(shape, rows + 1) <= BAND_BYTES) {
    rows++;
  }
  rows = apusk_divide_up(shape->h.output, apusk_divide_up(shape->h.output, rows));
  // Few last channels take rows by twos.
  const int64_t left = args->geometry.cout % CHANNELS;
  if (left > 0 && left <= CHANNELS / 2 && rows < shape->h.output) rows += rows % 2;
  args->rows_per_unit = rows;
  plan->grain = apusk_integer_grain(isa, 10.0 * row * (double)rows);
  plan->scratch_bytes = ones_bytes(shape) + apusk_integer_staged_bytes(shape, rows);
  return __builtin_mul_overflow(args->geometry.batch, apusk_divide_up(shape->h.output, rows), &plan->units) ? 301 : 0;
}
