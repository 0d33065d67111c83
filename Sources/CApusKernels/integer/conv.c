// Convolutions of 8-bit integers through the tiles of the matrix product.
#include "conv_shape.h"

#include <string.h>

// Most bytes of copied input that a unit has, and of windows.
#define BAND_BYTES (256 << 10)
#define WINDOWS_BYTES (128 << 10)

// What does not differ between the units of a convolution, for a group.
static apusk_integer_block block_of(const apusk_integer_conv_args *args, const apusk_integer_conv_shape *shape, int64_t group,
                                    int64_t first_panel, int64_t end_panel, int64_t pixel) {
  const apusk_conv_geometry *g = &args->geometry;
  const apusk_integer_tail *tail = &args->tail;
  const int64_t column = group * shape->group_cout, bytes = apusk_integer_output_bytes(tail->output_type);
  apusk_integer_block block = {
      .runs_y = shape->outer, .runs_x = 1, .run = shape->run, .a_signed = args->x_type == APUSK_INT8,
      .b_signed = args->w_type == APUSK_INT8, .b = args->w + group * shape->group_bytes, .n = shape->group_cout, .k = shape->k,
      .first_panel = first_panel, .end_panel = end_panel < shape->panels ? end_panel : shape->panels, .groups = 1,
      .c = (char *)args->y + (pixel * g->cout + column) * bytes, .c_row = g->cout, .tail = tail, .a_zero = tail->a_zero,
      .a_scale = tail->a_scale, .bias = tail->bias ? tail->bias + column * tail->bias_column : NULL,
      .float_bias = tail->float_bias ? tail->float_bias + column * tail->bias_column : NULL,
      .b_scale = tail->b_scale ? tail->b_scale + column * tail->b_scale_column : NULL,
  };
  if (tail->b_zero) block.b_zero = (const char *)tail->b_zero + column * tail->b_zero_column;
  if (tail->residual) block.residual = (const char *)tail->residual + pixel * g->cout + column;
  return block;
}

static int64_t window_bytes(const apusk_integer_conv_shape *shape) {
  int64_t bytes = shape->outer * 4 * apusk_integer_quads(shape->run);
  return bytes % 1024 == 0 ? bytes + 64 : bytes;
}

static void copy_windows(const apusk_integer_conv_args *args, const apusk_integer_conv_shape *shape, int64_t first, int64_t rows,
                         int64_t group, uint8_t *target) {
  const apusk_conv_geometry *g = &args->geometry;
  const apusk_conv_phase phase = apusk_conv_phase_of(g, 0);
  const int64_t row_bytes = window_bytes(shape), run_bytes = 4 * apusk_integer_quads(shape->run);
  const int fill = apusk_integer_byte(args->tail.a_zero, 0, args->x_type == APUSK_INT8);
  for (int64_t i = 0; i < rows; i++, target += row_bytes) {
    int64_t position[APUSK_CONV_MAX_AXES];
    int64_t image = apusk_conv_pixel_of(g, &phase, first + i, position);
    for (int64_t run = 0; run < shape->outer; run++) {
      uint8_t *place = target + run * run_bytes;
      memset(place + run_bytes - 4, 0, 4);
      apusk_conv_gather(g, &phase, args->x, image, position, group * shape->group_cin, shape->group_cin, 1, run * shape->run,
                        shape->run, 1, fill, place);
    }
  }
}

// Units: group, block of pixels, part of the panels. Parts side by side are done as one.
static int32_t run_pixels(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_integer_conv_args *args = args_;
  const apusk_integer_isa *isa = apusk_integer_isa_of(args->level);
  const apusk_conv_geometry *g = &args->geometry;
  const apusk_integer_conv_shape shape = apusk_integer_conv_shape_of(g);
  const int64_t blocks = apusk_divide_up(shape.pixels, args->rows_per_unit);
  const int64_t parts = apusk_divide_up(shape.panels, args->panels_per_unit);
  for (int64_t unit = begin; unit < end;) {
    const int64_t part = unit % parts, first = unit / parts % blocks * args->rows_per_unit, group = unit / parts / blocks;
    const int64_t last = parts - part < end - unit ? parts : part + (end - unit);
    apusk_integer_block block =
        block_of(args, &shape, group, part * args->panels_per_unit, last * args->panels_per_unit, first);
    block.rows = shape.pixels - first < args->rows_per_unit ? shape.pixels - first : args->rows_per_unit;
    if (shape.variant == APUSK_INTEGER_BY_POINTS) {
      block.a = (const uint8_t *)args->x + first * g->cin + group * shape.group_cin;
      block.a_row = g->cin;
    } else {
      copy_windows(args, &shape, first, block.rows, group, worker->scratch);
      block.a = worker->scratch;
      block.a_row = window_bytes(&shape);
      block.a_y = 4 * apusk_integer_quads(shape.run);
    }
    apusk_integer_block_run(isa, &block);
    unit += last - part;
  }
  return 0;
}

// Units: image, group, band of output rows, part of the panels.
static int32_t run_rows(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_integer_conv_args *args = args_;
  const apusk_integer_isa *isa = apusk_integer_isa_of(args->level);
  const apusk_conv_geometry *g = &args->geometry;
  const apusk_integer_conv_shape shape = apusk_integer_conv_shape_of(g);
  const int64_t bands = apusk_divide_up(shape.h.output, args->rows_per_unit);
  const int64_t parts = apusk_divide_up(shape.panels, args->panels_per_unit);
  for (int64_t unit = begin; unit < end;) {
    const int64_t part = unit % parts, oy = unit / parts % bands * args->rows_per_unit;
    const int64_t group = unit / parts / bands % g->groups, image = unit / parts / bands / g->groups;
    const int64_t rows = shape.h.output - oy < args->rows_per_unit ? shape.h.output - oy : args->rows_per_unit;
    const int64_t last = parts - part < end - unit ? parts : part + (end - unit);
    apusk_integer_block block = block_of(args, &shape, group, part * args->panels_per_unit, last * args->panels_per_unit,
                                         (image * shape.h.output + oy) * shape.w.output);
    if (shape.staged) {
      apusk_integer_stage(args, &shape, image, oy, rows, group * shape.group_cin, worker->scratch);
      block.a = worker->scratch;
    } else {
      block.a = (const uint8_t *)args->x + (image * shape.h.input + oy * shape.h.stride) * shape.pitch + group * shape.group_cin;
    }
    block.a_row = shape.w.stride * shape.pixel;
    block.a_y = shape.h.dilation * shape.pitch;
    block.a_group = shape.h.stride * shape.pitch;
    if (shape.w.kernel > 1 && (shape.w.dilation > 1 || shape.pixel != shape.group_cin)) {
      block.runs_x = shape.w.kernel;
      block.a_x = shape.w.dilation * shape.pixel;
      block.run = shape.group_cin;
    }
    block.groups = rows;
    block.rows = shape.w.output;
    block.c_group = shape.w.output * g->cout;
    apusk_integer_block_run(isa, &block);
    unit += last - part;
  }
  return 0;
}

// Bands of output rows, so many that they take 20 us or so, have rows for several tiles and keep their input in the L2 cache;
// then parts of the panels.
static void cut_rows(const apusk_integer_isa *isa, apusk_integer_conv_args *args, const apusk_integer_conv_shape *shape,
                     apusk_plan *plan) {
  const double wanted = 20.0 * (double)isa->multiplies_per_us;
  const double pair = (double)shape->w.output * (double)(shape->k + 16) * APUSK_INTEGER_PANEL, row = pair * (double)shape->panels;
  int64_t rows = 1;
  while (rows < shape->h.output && (row * (double)rows < wanted || rows * shape->w.output < 8 * isa->rows) &&
         (!shape->staged || apusk_integer_staged_bytes(shape, rows + 1) <= BAND_BYTES)) {
    rows++;
  }
  rows = apusk_divide_up(shape->h.output, apusk_divide_up(shape->h.output, rows));
  const double parts = row * (double)rows / (2.0 * wanted);
  const int64_t pairs = apusk_divide_up(shape->panels, 2);
  int64_t each = parts <= 1.0 ? pairs : (int64_t)((double)pairs / parts);
  args->rows_per_unit = rows;
  args->panels_per_unit = each < 1 ? 2 : 2 * each;
  plan->grain = apusk_integer_grain(isa, pair * (double)rows * (double)args->panels_per_unit);
  if (shape->staged) plan->scratch_bytes = apusk_integer_staged_bytes(shape, rows);
}

int32_t apusk_integer_conv_plan(int32_t level, apusk_integer_conv_args *args, apusk_plan *plan) {
  apusk_conv_geometry *g = &args->geometry;
  *plan = (apusk_plan){.kernel = run_pixels, .grain = 1};
  args->level = level;
  const apusk_integer_isa *isa = apusk_integer_isa_of(level);
  if (!isa || !apusk_integer_is_byte(args->x_type) || !apusk_integer_is_byte(args->w_type) || g->transposed ||
      args->tail.a_zero_row || args->tail.a_scale_row || !apusk_integer_tail_is_valid(&args->tail)) {
    return 100;
  }
  const int32_t status = apusk_conv_geometry_check(g);
  if (status != 0) return status;
  if (apusk_integer_conv_packed_bytes(g) < 0) return 301;
  args->rows_per_unit = args->panels_per_unit = 1;
  const apusk_integer_conv_shape shape = apusk_integer_conv_shape_of(g);
  if (shape.pixels == 0) return 0;
  if (apusk_integer_is_depthwise(g)) {
    // Else a copied row would be too large.
    if (shape.variant != APUSK_INTEGER_BY_CHANNELS) return 301;
    plan->kernel = apusk_integer_depthwise_run;
    return apusk_integer_depthwise_cut(isa, args, &shape, plan);
  }
  int64_t blocks = g->batch;
  if (shape.variant == APUSK_INTEGER_BY_ROWS) {
    plan->kernel = run_rows;
    cut_rows(isa, args, &shape, plan);
    blocks *= apusk_divide_up(shape.h.output, args->rows_per_unit);
  } else {
    const double each = (double)(shape.k + 16) * APUSK_INTEGER_PANEL;
    const bool windows = shape.variant == APUSK_INTEGER_BY_WINDOWS;
    int64_t most = windows ? WINDOWS_BYTES / window_bytes(&shape) : BAND_BYTES / g->cin;
    if (most < isa->rows) most = isa->rows;
    apusk_integer_cut(isa, shape.pixels, shape.panels, each, most, &args->rows_per_unit, &args->panels_per_unit);
    const int64_t rows = apusk_integer_rows_of_time(args->rows_per_unit);
    plan->grain = apusk_integer_grain(isa, each * (double)rows * (double)args->panels_per_unit);
    if (windows) plan->scratch_bytes = args->rows_per_unit * window_bytes(&shape);
    blocks = apusk_divide_up(shape.pixels, args->rows_per_unit);
  }
  int64_t units;
  return __builtin_mul_overflow(blocks, g->groups, &units) ||
                 __builtin_mul_overflow(units, apusk_divide_up(shape.panels, args->panels_per_unit), &plan->units)
             ? 301
             : 0;
}
