// float32 convolutions over any number of axes through the micro-kernels of the matrix product: the window of each output pixel
// is copied into a block of A.
#include "conv_nd.h"

// Most floats of a block of outputs that are gathered in scratch before they are spread over the pixels of a phase.
#define SPREAD_COLUMNS 256
// Most channels whose block is finished in scratch, as one row, before it is spread.
#define FEW_CHANNELS 4

typedef struct nd_source {
  const apusk_conv_nd_args *args;
  const apusk_conv_phase *phase;
  int64_t first_channel, channels;
} nd_source;

static void fill_windows(const apusk_gemm_block *block, int64_t row0, int64_t rows, int64_t k0, int64_t depth,
                         float *target) {
  const nd_source *source = block->source;
  const apusk_conv_geometry *g = &source->args->geometry;
  int64_t position[APUSK_CONV_MAX_AXES];
  for (int64_t i = 0; i < rows; i++) {
    int64_t image = apusk_conv_pixel_of(g, source->phase, row0 + i, position);
    apusk_conv_gather(g, source->phase, source->args->x, image, position, source->first_channel, source->channels, 1, k0, depth,
                      sizeof(float), 0, target + i * APUSK_GEMM_A_STRIDE);
  }
}

// Whether the window of pixel number i of the phase is the pixel number i of x: then x is A as it stands. So it is where a
// transposed convolution's stride is its kernel, and in 1x1 convolutions of stride 1.
static bool windows_are_pixels(const apusk_conv_geometry *g, const apusk_conv_phase *phase) {
  for (int32_t a = 0; a < g->axes; a++) {
    const apusk_phase_axis *axis = &phase->axis[a];
    if (axis->taps != 1 || axis->input_step != 1 || axis->offset != 0 || axis->outputs != g->axis[a].input) return false;
  }
  return true;
}

// Finishes `rows` rows of sums, pixels first ..< first + rows of a phase, into the output, runs along the last axis at a time.
// Few channels pass through `dense`, rows * channels floats: the activation then sees them all in a row, not one short row
// after another.
static void spread(const apusk_gemm_isa *isa, const apusk_conv_nd_args *args, const apusk_conv_phase *phase, const float *sums,
                   int64_t sums_row, float *dense, int64_t first, int64_t rows, int64_t channel, int64_t channels) {
  const apusk_conv_geometry *g = &args->geometry;
  const apusk_phase_axis *last = &phase->axis[g->axes - 1];
  const bool few = channels <= FEW_CHANNELS;
  apusk_tail tail = args->tail;
  tail.residual_row_stride *= last->output_step;
  if (few) tail.activation = APUSK_ACTIVATION_NONE;
  for (int pass = 0; pass < 1 + few; pass++) {
    for (int64_t i = 0; i < rows;) {
      int64_t position[APUSK_CONV_MAX_AXES];
      int64_t image = apusk_conv_pixel_of(g, phase, first + i, position);
      int64_t run = last->outputs - position[g->axes - 1];
      if (run > rows - i) run = rows - i;
      int64_t pixel = apusk_conv_output_of(g, phase, image, position), output_row = last->output_step * g->cout;
      float *output = (float *)args->y + pixel * g->cout + channel;
      if (pass == 1) {
        const float *source = dense + i * channels;
        for (int64_t r = 0; r < run; r++, output += output_row) {
          for (int64_t c = 0; c < channels; c++) output[c] = *source++;
        }
        i += run;
        continue;
      }
      apusk_finish finish = {
          .tail = &tail, .bias = tail.bias ? tail.bias + channel : NULL, .source = sums + i * sums_row,
          .source_row = sums_row, .output = few ? dense + i * channels : output, .output_row = few ? channels : output_row,
          .rows = run, .columns = channels,
      };
      if (tail.residual) {
        finish.residual =
            tail.residual + pixel * args->tail.residual_row_stride + channel * tail.residual_column_stride;
      }
      isa->finish(&finish);
      i += run;
    }
    if (few && pass == 0 && args->tail.activation != APUSK_ACTIVATION_NONE) {
      apusk_tail rest = {.scale = 1.0f, .activation = args->tail.activation, .alpha = args->tail.alpha, .beta = args->tail.beta};
      apusk_finish finish = {.tail = &rest, .source = dense, .output = dense, .rows = 1, .columns = rows * channels};
      isa->finish(&finish);
    }
  }
}

// Units: phase, group, block of pixels, part of the panels.
int32_t apusk_conv_nd_f32_run(const apusk_conv_isa *isa, const apusk_conv_nd_args *args, int64_t begin, int64_t end,
                              apusp_worker *worker) {
  const apusk_conv_geometry *g = &args->geometry;
  int32_t nr = isa->gemm->kernels.nr;
  int64_t group_cin = g->cin / g->groups, group_cout = g->cout / g->groups;
  int64_t columns = apusk_conv_group_columns(group_cout, nr), panels = apusk_gemm_panels(group_cout, nr);
  int64_t parts = apusk_divide_up(panels, args->panels_per_unit);
  apusk_conv_phases phases = apusk_conv_phases_of(g);
  int64_t blocks = apusk_divide_up(g->batch * apusk_conv_phase_of(g, 0).outputs, args->rows_per_unit);
  apusk_conv_phase phase = {0};
  int64_t current = -1;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t part = unit % parts, row = unit / parts % blocks * args->rows_per_unit;
    int64_t group = unit / parts / blocks % g->groups, index = unit / parts / blocks / g->groups;
    if (index != current) phase = apusk_conv_phase_of(g, index);
    current = index;
    int64_t pixels = g->batch * phase.outputs;
    if (row >= pixels) continue;
    int64_t rows = pixels - row < args->rows_per_unit ? pixels - row : args->rows_per_unit;
    int64_t first_panel = part * args->panels_per_unit;
    int64_t end_panel = panels - first_panel < args->panels_per_unit ? panels : first_panel + args->panels_per_unit;
    int64_t column = first_panel * nr, channel = group * group_cout + column, k = phase.taps * group_cin;
    nd_source source = {args, &phase, group * group_cin, group_cin};
    const float *weights = (const float *)args->w + columns * group_cin * (group * phases.taps + phase.before);
    apusk_gemm_block block = {
        .fill = fill_windows, .source = &source, .source_row = row, .b = weights + column * k, .rows = rows,
        .n = group_cout - column, .k = k, .end_panel = end_panel - first_panel,
    };
    if (windows_are_pixels(g, &phase)) {
      block.fill = NULL;
      block.a = (const float *)args->x + row * g->cin + group * group_cin;
      block.a_row = g->cin;
      block.a_k = 1;
    }
    if (phases.count == 1) {
      block.c = (float *)args->y + row * g->cout + channel;
      block.c_row = g->cout;
      block.tail = &args->tail;
      block.bias = args->tail.bias ? args->tail.bias + channel : NULL;
      if (args->tail.residual) {
        block.residual =
            args->tail.residual + row * args->tail.residual_row_stride + channel * args->tail.residual_column_stride;
      }
      apusk_gemm_block_run(isa->gemm, &block, worker->scratch);
      continue;
    }
    int64_t width = (end_panel - first_panel) * nr;
    if (width > block.n) width = block.n;
    // Scratch has room for the columns that the last panel has beyond n.
    int64_t last = end_panel - first_panel - 1;
    block.n = last * nr + apusk_gemm_panel_width(block.n, last, nr);
    float *sums = (float *)worker->scratch + apusk_gemm_block_scratch_floats(args->rows_per_unit);
    block.c = sums;
    block.c_row = (end_panel - first_panel) * nr;
    apusk_gemm_block_run(isa->gemm, &block, worker->scratch);
    spread(isa->gemm, args, &phase, sums, block.c_row, sums + rows * block.c_row, row, rows, channel, width);
  }
  return 0;
}

// Channels that one unit of a depthwise convolution takes, by the taps whose windows its scratch holds.
static int64_t depthwise_channels(const apusk_conv_geometry *g, int64_t taps) {
  int64_t most = APUSK_CONV_DEPTHWISE_CHANNELS;
  while (most > 16 && taps > APUSK_CONV_MOST_STAGED / most) most /= 2;
  return g->cout < most ? g->cout : most;
}

// One input channel for each output channel. Units: phase, block of pixels, part of the channels.
int32_t apusk_conv_nd_depthwise_f32_run(const apusk_conv_isa *isa, const apusk_conv_nd_args *args, int64_t begin, int64_t end,
                                        apusp_worker *worker) {
  const apusk_conv_geometry *g = &args->geometry;
  int64_t columns = apusk_conv_depthwise_columns(g->cout), repeat = g->cout / g->groups;
  int64_t parts = apusk_divide_up(g->cout, args->panels_per_unit);
  int64_t blocks = apusk_divide_up(g->batch * apusk_conv_phase_of(g, 0).outputs, args->rows_per_unit);
  apusk_conv_phase phase = {0};
  int64_t current = -1;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t channel = unit % parts * args->panels_per_unit, row = unit / parts % blocks * args->rows_per_unit;
    int64_t index = unit / parts / blocks;
    if (index != current) phase = apusk_conv_phase_of(g, index);
    current = index;
    int64_t end_row = row + args->rows_per_unit, pixels = g->batch * phase.outputs;
    if (end_row > pixels) end_row = pixels;
    int64_t channels = g->cout - channel < args->panels_per_unit ? g->cout - channel : args->panels_per_unit;
    for (int64_t i = row; i < end_row; i++) {
      int64_t position[APUSK_CONV_MAX_AXES];
      int64_t image = apusk_conv_pixel_of(g, &phase, i, position);
      int64_t pixel = apusk_conv_output_of(g, &phase, image, position);
      apusk_conv_gather(g, &phase, args->x, image, position, channel, channels, repeat, 0, phase.taps * channels, sizeof(float),
                        0, worker->scratch);
      float *y = (float *)args->y + pixel * g->cout + channel;
      const apusk_depthwise depthwise = apusk_depthwise_window(
          worker->scratch, channels, phase.taps, (const float *)args->w + phase.before * columns + channel, columns, y);
      isa->depthwise(&depthwise);
      apusk_finish finish = {
          .tail = &args->tail, .bias = args->tail.bias ? args->tail.bias + channel : NULL, .source = y, .output = y, .rows = 1,
          .columns = channels,
      };
      if (args->tail.residual) {
        finish.residual =
            args->tail.residual + pixel * args->tail.residual_row_stride + channel * args->tail.residual_column_stride;
      }
      isa->gemm->finish(&finish);
    }
  }
  return 0;
}

static int32_t cut_depthwise(apusk_conv_nd_args *args, const apusk_conv_phase *first, apusk_conv_phases phases,
                             apusk_plan *plan) {
  const apusk_conv_geometry *g = &args->geometry;
  int64_t most_taps = phases.count == 1 ? first->taps : apusk_conv_kernel_taps(g);
  args->panels_per_unit = depthwise_channels(g, most_taps);
  // About 2 ns for each tap of 8 channels, and 50 ns for each pixel.
  int64_t cost = 50 + most_taps / phases.count * args->panels_per_unit / 4;
  args->rows_per_unit = cost >= 20000 ? 1 : 20000 / cost;
  plan->grain = 1;
  plan->scratch_bytes = most_taps * args->panels_per_unit * (int64_t)sizeof(float);
  int64_t blocks = apusk_divide_up(g->batch * first->outputs, args->rows_per_unit);
  return __builtin_mul_overflow(phases.count, blocks, &plan->units) ||
                 __builtin_mul_overflow(plan->units, apusk_divide_up(g->cout, args->panels_per_unit), &plan->units)
             ? 301
             : 0;
}

int32_t apusk_conv_nd_f32_plan(const apusk_conv_kernels *kernels, apusk_conv_nd_args *args, apusk_plan *plan) {
  const apusk_conv_isa *isa = (const apusk_conv_isa *)kernels;  // its first member
  apusk_conv_geometry *g = &args->geometry;
  *plan = (apusk_plan){.kernel = kernels->conv_nd_f32, .grain = 1};
  args->rows_per_unit = args->panels_per_unit = 1;
  if (args->tail.activation < 0 || args->tail.activation >= APUSK_ACTIVATION_COUNT) return 100;
  int32_t status = apusk_conv_geometry_check(g);
  if (status != 0) return status;
  if (g->batch == 0) return 0;
  for (int32_t a = 0; a < g->axes; a++) {
    if (g->axis[a].output == 0) return 0;
  }
  apusk_conv_phases phases = apusk_conv_phases_of(g);
  apusk_conv_phase first = apusk_conv_phase_of(g, 0);
  if (apusk_conv_is_depthwise(g->cin, g->groups)) {
    plan->kernel = kernels->conv_nd_depthwise_f32;
    return cut_depthwise(args, &first, phases, plan);
  }
  int32_t nr = kernels->gemm->nr;
  int64_t pixels = g->batch * first.outputs, panels = apusk_gemm_panels(g->cout / g->groups, nr);
  double each = (double)(phases.taps / phases.count + 1) * (double)(g->cin / g->groups) * nr;
  apusk_gemm_cut(isa->gemm, pixels, panels, each, &args->rows_per_unit, &args->panels_per_unit);
  plan->scratch_bytes = apusk_gemm_block_scratch_floats(args->rows_per_unit) * (int64_t)sizeof(float);
  if (phases.count > 1) {
    if (args->panels_per_unit > SPREAD_COLUMNS / nr) args->panels_per_unit = SPREAD_COLUMNS / nr;
    plan->scratch_bytes += args->rows_per_unit * (args->panels_per_unit * nr + FEW_CHANNELS) * (int64_t)sizeof(float);
  }
  plan->grain = apusk_gemm_grain(each * (double)args->rows_per_unit * (double)args->panels_per_unit,
                                 isa->gemm->multiplies_per_us);
  return __builtin_mul_overflow(phases.count, g->groups, &plan->units) ||
                 __builtin_mul_overflow(plan->units, apusk_divide_up(pixels, args->rows_per_unit), &plan->units) ||
                 __builtin_mul_overflow(plan->units, apusk_divide_up(panels, args->panels_per_unit), &plan->units)
             ? 301
             : 0;
}
