// Convolutions through the micro-kernels of the matrix product.
#include <math.h>
#include <string.h>

#include "conv_isa.h"

// Most floats of k in one pass over a band, whole chains: so much of a panel of weights stays in the L1 and L2 caches.
#define PASS_DEPTH 768
// Floats of an image of outputs that leave the L2 cache before they are written again: stores to them wait for memory.
#define FAR_OUTPUT (1 << 19)

typedef struct window_source {
  const apusk_conv2d_f32_args *args;
  int64_t first_channel, channels;
} window_source;

static void fill_windows(const apusk_gemm_block *block, int64_t row0, int64_t rows, int64_t k0, int64_t depth,
                         float *target) {
  const window_source *source = block->source;
  const apusk_conv2d_f32_args *args = source->args;
  for (int64_t i = 0; i < rows; i++) {
    int64_t pixel = row0 + i;
    apusk_conv_window(args, pixel / args->ow / args->oh, pixel / args->ow % args->oh, pixel % args->ow,
                      source->first_channel, source->channels, 1, k0, depth, target + i * APUSK_GEMM_A_STRIDE);
  }
}

// Units: group, block of pixels, part of the panels. Those side by side that make whole blocks are done as one larger block.
static void run_pixels(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                       int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_tail *tail = &args->tail;
  int64_t pixels = args->batch * args->oh * args->ow;
  int64_t blocks = apusk_divide_up(pixels, args->rows_per_unit);
  int64_t parts = apusk_divide_up(shape->panels, args->panels_per_unit);
  const int64_t most = APUSK_GEMM_BLOCK_ROWS / args->rows_per_unit;
  for (int64_t unit = begin; unit < end;) {
    int64_t part = unit % parts, first = unit / parts % blocks, row = first * args->rows_per_unit;
    int64_t group = unit / parts / blocks;
    int64_t end_part = parts - part < end - unit ? parts : part + (end - unit);
    int64_t joined = part > 0 ? 1 : (end - unit) / parts;
    if (joined > blocks - first) joined = blocks - first;
    if (joined > most) joined = most;
    if (joined < 1) joined = 1;
    int64_t rows = joined * args->rows_per_unit;
    int64_t end_panel = end_part * args->panels_per_unit, column = group * shape->group_cout;
    window_source source = {args, group * shape->group_cin, shape->group_cin};
    apusk_gemm_block block = {
        .b = args->w + group * shape->group_floats, .c = args->y + row * args->y_pixel_stride + column,
        .c_row = args->y_pixel_stride,
        .rows = pixels - row < rows ? pixels - row : rows,
        .n = shape->group_cout, .k = shape->k, .first_panel = part * args->panels_per_unit,
        .end_panel = end_panel < shape->panels ? end_panel : shape->panels,
        .tail = tail, .bias = tail->bias ? tail->bias + column : NULL,
    };
    if (tail->residual) {
      block.residual = tail->residual + row * tail->residual_row_stride + column * tail->residual_column_stride;
    }
    if (shape->variant == APUSK_CONV_POINTWISE) {
      if (args->scaled) {  // what is in the L2 cache after that
        isa->scale((float *)args->x + row * args->x_pixel_stride, block.rows, args->x_pixel_stride, args->scale, args->cin);
      }
      block.a = args->x + row * args->x_pixel_stride + source.first_channel;
      block.a_row = args->x_pixel_stride;
      block.a_k = 1;
    } else {
      block.fill = fill_windows;
      block.source = &source;
      block.source_row = row;
    }
    apusk_gemm_block_run(isa->gemm, &block, worker->scratch);
    unit += joined > 1 ? joined * parts : end_part - part;
  }
}

// `count` pixels of so many channels, from planes.
static void pixels_of_planes(const float *planes, int64_t plane, int64_t channels, int64_t count, float *y, int64_t y_pixel) {
  typedef float four __attribute__((ext_vector_type(4)));
  for (int64_t first = 0; first < count; first += 4) {
    if (channels < 4 || count < 4) {
      for (int64_t i = first; i < count && i < first + 4; i++) {
        for (int64_t c = 0; c < channels; c++) y[i * y_pixel + c] = planes[c * plane + i];
      }
      continue;
    }
    // The last ones overlap those before them.
    const int64_t i = first < count - 4 ? first : count - 4;
    for (int64_t c = 0; c < channels; c += 4) {
      if (c > channels - 4) c = channels - 4;
      four v[4];
#pragma clang loop unroll(full)
      for (int k = 0; k < 4; k++) memcpy(&v[k], planes + (c + k) * plane + i, sizeof v[k]);
      const four even_low = __builtin_shufflevector(v[0], v[2], 0, 4, 1, 5);
      const four even_high = __builtin_shufflevector(v[0], v[2], 2, 6, 3, 7);
      const four odd_low = __builtin_shufflevector(v[1], v[3], 0, 4, 1, 5);
      const four odd_high = __builtin_shufflevector(v[1], v[3], 2, 6, 3, 7);
      v[0] = __builtin_shufflevector(even_low, odd_low, 0, 4, 1, 5);
      v[1] = __builtin_shufflevector(even_low, odd_low, 2, 6, 3, 7);
      v[2] = __builtin_shufflevector(even_high, odd_high, 0, 4, 1, 5);
      v[3] = __builtin_shufflevector(even_high, odd_high, 2, 6, 3, 7);
#pragma clang loop unroll(full)
      for (int k = 0; k < 4; k++) memcpy(y + (i + k) * y_pixel + c, &v[k], sizeof v[k]);
    }
  }
}

// Rows oy ..< oy + rows of an image of what lone_channel.h computes; x are the input rows under them, planes has room.
static void run_lone(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                     const float *x, int64_t image, int64_t oy, int64_t rows, float *planes) {
  const apusk_tail *tail = &args->tail;
  const int64_t y_pixel = args->y_pixel_stride, row = args->stride_h * shape->pitch;
  apusk_finish finish = {
      .tail = tail, .bias = tail->bias, .columns = args->cout, .source_row = y_pixel, .output_row = y_pixel};
  apusk_tile_end end;
  const bool fused = !tail->residual && apusk_activation_is_bound(tail->activation) && apusk_tile_end_of(&finish, &end);
  if (!fused) end = (apusk_tile_end){.low = -INFINITY, .high = INFINITY};
  apusk_lone_rows lone = {
      .x_tap = args->dilation_h * shape->pitch, .w = args->w, .planes = planes, .plane = 2 * args->ow, .kh = args->kh,
      .kw = args->kw, .pixels = args->ow, .channels = args->cout, .bias = end.bias, .low = end.low, .high = end.high,
      .pool = args->pool,
  };
  for (int64_t r = 0; r < rows; r += 2) {
    const int64_t pairs = r + 1 < rows;  // one row alone is both rows of a pair
    lone.x = x + r * row;
    lone.x_row = pairs * row;
    isa->lone(&lone);
    int64_t pixel = (image * args->oh + oy + r) * args->ow, count = args->ow << pairs;
    if (args->pool) {
      count = args->ow / 2;
      pixel = (image * (args->oh / 2) + (oy + r) / 2) * count;
    }
    float *y = args->y + pixel * y_pixel;
    pixels_of_planes(planes, lone.plane, args->cout, count, y, y_pixel);
    if (fused) continue;
    finish.rows = count;
    finish.source = finish.output = y;
    if (tail->residual) finish.residual = tail->residual + pixel * tail->residual_row_stride;
    isa->gemm->finish(&finish);
  }
}

// Asks for the output pixels two micro-kernels on from `tile`, `channels` of each.
static void ask_for_output(const apusk_tile *tile, int64_t channels) {
  const float *y = tile->c + 2 * tile->rows * tile->c_row;
  for (int64_t i = 0; i < tile->rows; i++, y += tile->c_row) {
    for (int64_t c = 0; c < channels; c += 16) __builtin_prefetch(y + c, 0, 2);
  }
}

// One band of rows of one image and group, panels first ..< end: passes over k, whole chains each, then panels, then the
// micro-kernels across the band.
static void run_band(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                     const float *x, int64_t image, int64_t oy, int64_t rows, int64_t group, int64_t first,
                     int64_t end) {
  const apusk_tail *tail = &args->tail;
  int32_t nr = isa->gemm->kernels.nr;
  bool merged = shape->pixel == shape->group_cin && args->dilation_w == 1;
  int64_t kernel_row = args->kw * shape->group_cin, run = merged ? kernel_row : shape->group_cin;
  int64_t passes = apusk_divide_up(shape->k, PASS_DEPTH);
  int64_t step = apusk_divide_up(apusk_divide_up(shape->k, passes), APUSK_GEMM_CHAIN) * APUSK_GEMM_CHAIN;
  int64_t tiles = apusk_divide_up(args->ow, isa->gemm->kernels.mr);
  apusk_tile tile = {
      .a_row = args->stride_w * shape->pixel, .a_y = args->dilation_h * shape->pitch,
      .a_x = args->dilation_w * shape->pixel, .runs_x = kernel_row / run, .run = run,
      .c_row = args->y_pixel_stride,
  };
  const bool far = args->oh * args->ow * args->y_pixel_stride > FAR_OUTPUT;
  const int64_t channels = (end * nr < shape->group_cout ? end * nr : shape->group_cout) - first * nr;
  for (int64_t k0 = 0; k0 < shape->k; k0 += step) {
    int64_t ky = k0 / kernel_row;
    tile.first_x = k0 % kernel_row / run;
    tile.first_p = k0 % run;
    tile.depth = shape->k - k0 < step ? shape->k - k0 : step;
    tile.resume = k0 > 0;
    bool last = k0 + tile.depth == shape->k;
    for (int64_t panel = first; panel < end; panel++) {
      int64_t column = panel * nr, channel = group * shape->group_cout + column;
      tile.width = apusk_gemm_panel_width(shape->group_cout, panel, nr);
      tile.b = args->w + group * shape->group_floats + column * shape->k + k0 * tile.width;
      int64_t columns = shape->group_cout - column < tile.width ? shape->group_cout - column : tile.width;
      apusk_finish finish = {.tail = tail, .bias = tail->bias ? tail->bias + channel : NULL};
      const float *next = panel + 1 < end ? tile.b + tile.width * shape->k : NULL;
      for (int64_t r = 0; r < rows; r++) {
        const float *a = x + r * args->stride_h * shape->pitch + ky * tile.a_y;
        int64_t pixel = (image * args->oh + oy + r) * args->ow;
        for (int64_t index = 0; index < tiles; index++) {
          tile.rows = (int32_t)apusk_tile_rows(args->ow, tiles, index);
          apusk_tile_look_ahead(&tile, next, r * tiles + index, rows * tiles);
          tile.a = a;
          tile.c = args->y + pixel * args->y_pixel_stride + channel;
          if (tail->residual) {
            finish.residual =
                tail->residual + pixel * tail->residual_row_stride + channel * tail->residual_column_stride;
          }
          if (far && k0 == 0 && panel == first) ask_for_output(&tile, channels);
          apusk_tile_emit(isa->gemm, &tile, columns, last, &finish);
          a += tile.rows * tile.a_row;
          pixel += tile.rows;
        }
      }
    }
  }
}

// Units: image, group, band of output rows, part of the panels.
static void run_rows(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                     int64_t begin, int64_t end, apusp_worker *worker) {
  const int64_t height = args->oh >> args->pool;
  int64_t bands = apusk_divide_up(height, args->rows_per_unit >> args->pool);
  int64_t parts = apusk_divide_up(shape->panels, args->panels_per_unit);
  for (int64_t unit = begin; unit < end;) {
    int64_t part = unit % parts, band = unit / parts % bands, oy = height * band / bands << args->pool;
    int64_t group = unit / parts / bands % args->groups, image = unit / parts / bands / args->groups;
    int64_t rows = (height * (band + 1) / bands << args->pool) - oy;
    int64_t end_part = parts - part < end - unit ? parts : part + (end - unit);
    int64_t end_panel = end_part * args->panels_per_unit, channel = group * shape->group_cin;
    const float *x = worker->scratch;
    if (shape->staged) {
      apusk_conv_stage(args, shape, image, oy, rows, channel, shape->group_cin, 1, worker->scratch);
    } else {
      x = args->x + image * args->ih * shape->pitch + oy * args->stride_h * shape->pitch + channel;
    }
    if (shape->lone) {
      run_lone(isa, args, shape, x, image, oy, rows, (float *)worker->scratch + apusk_conv_lone_planes(args, shape));
    } else {
      run_band(isa, args, shape, x, image, oy, rows, group, part * args->panels_per_unit,
               end_panel < shape->panels ? end_panel : shape->panels);
    }
    unit += end_part - part;
  }
}

int32_t apusk_conv2d_f32_run(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, int64_t begin, int64_t end,
                             apusp_worker *worker) {
  const apusk_conv_shape shape = apusk_conv_shape_of(args, isa->gemm->kernels.nr);
  if (shape.variant == APUSK_CONV_GROUPED) {
    apusk_conv2d_grouped_f32_run(isa, args, begin, end, worker);
  } else if (shape.variant == APUSK_CONV_WINOGRAD) {
    apusk_winograd_run(isa, args, &shape, begin, end, worker);
  } else if (shape.variant == APUSK_CONV_ROWS) {
    run_rows(isa, args, &shape, begin, end, worker);
  } else {
    run_pixels(isa, args, &shape, begin, end, worker);
  }
  return 0;
}
