// Deformable convolutions: the interpolated windows are rows of a matrix product.
#include "conv_isa.h"

#pragma clang fp contract(off)

#define ELEMENT float
#define DEFORM_NAME(name) name##_f32
#include "deform_window.h"
#undef ELEMENT
#undef DEFORM_NAME
#define ELEMENT double
#define DEFORM_NAME(name) name##_f64
#include "deform_window.h"

typedef struct deform_source {
  const apusk_deform_conv_args *args;
  int64_t first_channel, channels;
} deform_source;

static void fill_windows(const apusk_gemm_block *block, int64_t row0, int64_t rows, int64_t k0, int64_t depth,
                         float *target) {
  const deform_source *source = block->source;
  for (int64_t i = 0; i < rows; i++) {
    window_f32(source->args, row0 + i, source->first_channel, source->channels, k0, depth, target + i * APUSK_GEMM_A_STRIDE);
  }
}

// One input channel for each output channel. Units: output pixels of all images.
static void run_depthwise(const apusk_conv_isa *isa, const apusk_deform_conv_args *args, int64_t begin, int64_t end,
                          float *scratch) {
  int64_t repeat = args->cout / args->cin, taps = args->kh * args->kw;
  float *window = repeat == 1 ? scratch : scratch + taps * args->cout;
  for (int64_t pixel = begin; pixel < end; pixel++) {
    window_f32(args, pixel, 0, args->cin, 0, taps * args->cin, window);
    for (int64_t i = 0; repeat > 1 && i < taps * args->cout; i++) scratch[i] = window[i / repeat];
    float *y = (float *)args->y + pixel * args->cout;
    const apusk_depthwise depthwise =
        apusk_depthwise_window(scratch, args->cout, taps, args->w, apusk_conv_depthwise_columns(args->cout), y);
    isa->depthwise(&depthwise);
    apusk_finish finish = {
        .tail = &args->tail, .bias = args->tail.bias, .source = y, .output = y, .rows = 1, .columns = args->cout,
    };
    if (args->tail.residual) finish.residual = args->tail.residual + pixel * args->tail.residual_row_stride;
    isa->gemm->finish(&finish);
  }
}

// Units: group, block of pixels, part of the panels.
int32_t apusk_deform_conv_f32_run(const apusk_conv_isa *isa, const apusk_deform_conv_args *args, int64_t begin,
                                  int64_t end, apusp_worker *worker) {
  if (apusk_conv_is_depthwise(args->cin, args->groups)) {
    run_depthwise(isa, args, begin, end, worker->scratch);
    return 0;
  }
  int32_t nr = isa->gemm->kernels.nr;
  int64_t group_cin = args->cin / args->groups, group_cout = args->cout / args->groups;
  int64_t k = args->kh * args->kw * group_cin, pixels = args->batch * args->oh * args->ow;
  int64_t panels = apusk_gemm_panels(group_cout, nr), parts = apusk_divide_up(panels, args->panels_per_unit);
  int64_t blocks = apusk_divide_up(pixels, args->rows_per_unit);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t first = unit % parts * args->panels_per_unit, row = unit / parts % blocks * args->rows_per_unit;
    int64_t group = unit / parts / blocks, column = group * group_cout;
    deform_source source = {args, group * group_cin, group_cin};
    apusk_gemm_block block = {
        .fill = fill_windows, .source = &source, .source_row = row,
        .b = (const float *)args->w + group * apusk_conv_group_columns(group_cout, nr) * k,
        .c = (float *)args->y + row * args->cout + column, .c_row = args->cout,
        .rows = pixels - row < args->rows_per_unit ? pixels - row : args->rows_per_unit, .n = group_cout, .k = k,
        .first_panel = first, .end_panel = panels - first < args->panels_per_unit ? panels : first + args->panels_per_unit,
        .tail = &args->tail, .bias = args->tail.bias ? args->tail.bias + column : NULL,
    };
    if (args->tail.residual) {
      block.residual =
          args->tail.residual + row * args->tail.residual_row_stride + column * args->tail.residual_column_stride;
    }
    apusk_gemm_block_run(isa->gemm, &block, worker->scratch);
  }
  return 0;
}

// Units: output pixels of all images.
static int32_t run_f64(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_deform_conv_args *args = args_;
  int64_t group_cin = args->cin / args->groups, group_cout = args->cout / args->groups, taps = args->kh * args->kw;
  double *window = worker->scratch;
  for (int64_t pixel = begin; pixel < end; pixel++) {
    for (int64_t group = 0; group < args->groups; group++) {
      window_f64(args, pixel, group * group_cin, group_cin, 0, taps * group_cin, window);
      for (int64_t co = group * group_cout; co < (group + 1) * group_cout; co++) {
        const double *weights = (const double *)args->w + co * group_cin * taps;
        double sum = 0;
        for (int64_t tap = 0; tap < taps; tap++) {
          for (int64_t ci = 0; ci < group_cin; ci++) sum += window[tap * group_cin + ci] * weights[ci * taps + tap];
        }
        ((double *)args->y)[pixel * args->cout + co] = args->bias ? sum + args->bias[co] : sum;
      }
    }
  }
  return 0;
}

// The sizes of a convolution and a division of the channels among the offsets.
static int32_t check(const apusk_conv_kernels *kernels, const apusk_deform_conv_args *args) {
  apusk_conv2d_f32_args conv = {
      .batch = args->batch, .ih = args->ih, .iw = args->iw, .cin = args->cin, .oh = args->oh, .ow = args->ow,
      .cout = args->cout, .groups = args->groups, .kh = args->kh, .kw = args->kw, .stride_h = args->stride_h,
      .stride_w = args->stride_w, .dilation_h = args->dilation_h, .dilation_w = args->dilation_w, .pad_top = args->pad_top,
      .pad_left = args->pad_left, .x_pixel_stride = args->cin, .y_pixel_stride = args->cout, .tail = args->tail,
  };
  apusk_plan plan;
  int32_t status = apusk_conv2d_f32_plan(kernels, &conv, &plan);
  if (status != 0) return status;
  return args->offset_groups < 1 || args->cin % args->offset_groups != 0 ? 100 : 0;
}

int32_t apusk_deform_conv_f32_plan(const apusk_conv_kernels *kernels, apusk_deform_conv_args *args, apusk_plan *plan) {
  const apusk_conv_isa *isa = (const apusk_conv_isa *)kernels;  // its first member
  *plan = (apusk_plan){.kernel = kernels->deform_conv_f32, .grain = 1};
  args->rows_per_unit = args->panels_per_unit = 1;
  int32_t status = check(kernels, args);
  if (status != 0) return status;
  int64_t pixels = args->batch * args->oh * args->ow;
  if (pixels == 0) return 0;
  if (apusk_conv_is_depthwise(args->cin, args->groups)) {
    plan->units = pixels;
    plan->scratch_bytes = 2 * args->kh * args->kw * args->cout * (int64_t)sizeof(float);
    return 0;
  }
  int64_t panels = apusk_gemm_panels(args->cout / args->groups, kernels->gemm->nr);
  double each = (double)(args->kh * args->kw * (args->cin / args->groups)) * kernels->gemm->nr;
  apusk_gemm_cut(isa->gemm, pixels, panels, each, &args->rows_per_unit, &args->panels_per_unit);
  plan->scratch_bytes = apusk_gemm_block_scratch_floats(args->rows_per_unit) * (int64_t)sizeof(float);
  plan->grain = apusk_gemm_grain(each * (double)args->rows_per_unit * (double)args->panels_per_unit,
                                 isa->gemm->multiplies_per_us);
  return __builtin_mul_overflow(args->groups, apusk_divide_up(pixels, args->rows_per_unit), &plan->units) ||
                 __builtin_mul_overflow(plan->units, apusk_divide_up(panels, args->panels_per_unit), &plan->units)
             ? 301
             : 0;
}

int32_t apusk_deform_conv_f64_plan(apusk_deform_conv_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = run_f64, .grain = 1};
  int32_t status = check(&apusk_conv_isa_portable.kernels, args);
  if (status != 0) return status;
  plan->units = args->batch * args->oh * args->ow;
  plan->scratch_bytes = args->kh * args->kw * (args->cin / args->groups) * (int64_t)sizeof(double);
  return 0;
}
