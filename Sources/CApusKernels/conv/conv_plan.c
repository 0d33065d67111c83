// Checks and planning of convolutions.
#include "conv_isa.h"

const apusk_conv_kernels *apusk_conv_kernels_for(int32_t level) {
  switch (level) {
    case APUSK_LEVEL_PORTABLE:
      return &apusk_conv_isa_portable.kernels;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2:
      return &apusk_conv_isa_avx2.kernels;
    case APUSK_LEVEL_AVX512:
      return &apusk_conv_isa_avx512.kernels;
#endif
    default:
      return NULL;
  }
}

// Sizes up to 2^31 - 1, so that a product of two of them, or a few of those added, is far from overflow.
static bool in_range(int64_t value, int64_t least) { return value >= least && value <= INT32_MAX; }

static bool weights_make_sense(int64_t cin, int64_t cout, int64_t groups, int64_t kh, int64_t kw) {
  return in_range(cin, 1) && in_range(cout, 1) && in_range(groups, 1) && in_range(kh, 1) && in_range(kw, 1) &&
         cin % groups == 0 && cout % groups == 0;
}

static bool product(int64_t a, int64_t b, int64_t c, int64_t d, int64_t *result) {
  return !__builtin_mul_overflow(a, b, result) && !__builtin_mul_overflow(*result, c, result) &&
         !__builtin_mul_overflow(*result, d, result);
}

// Of the algorithm, what follows from the weights.
static bool algorithm_fits(const apusk_conv2d_f32_args *args) {
  if (args->winograd == 0) return true;
  return (args->winograd == APUSK_WINOGRAD_2 || args->winograd == APUSK_WINOGRAD_4 || args->winograd == APUSK_WINOGRAD_6) &&
         args->kh == 3 && args->kw == 3 && !apusk_conv_is_depthwise(args->cin, args->groups);
}

int64_t apusk_conv2d_f32_packed_bytes(const apusk_conv_kernels *kernels, const apusk_conv2d_f32_args *args) {
  if (!weights_make_sense(args->cin, args->cout, args->groups, args->kh, args->kw) || !algorithm_fits(args)) return -1;
  int64_t k, floats;
  if (apusk_conv_is_depthwise(args->cin, args->groups)) {
    if (!product(args->kh, args->kw, apusk_conv_depthwise_columns(args->cout), 1, &floats)) return -1;
  } else {
    // Groups follow each other without a gap: the buffer as a whole is rounded up.
    int64_t columns = apusk_conv_group_columns(args->cout / args->groups, kernels->gemm->nr);
    int64_t taps_y = args->winograd ? args->winograd + 2 : args->kh, taps_x = args->winograd ? taps_y : args->kw;
    if (!product(taps_y, taps_x, args->cin / args->groups, 1, &k) ||
        !product(k, columns, args->groups, 1, &floats)) {
      return -1;
    }
  }
  if (floats > INT64_MAX / 4 - 64) return -1;
  return (floats * (int64_t)sizeof(float) + 63) & ~(int64_t)63;
}

int32_t apusk_conv2d_f32_pool_fits(const apusk_conv2d_f32_args *args) {
  const apusk_tail *tail = &args->tail;
  return args->pool == 1 && args->oh > 1 && args->ow > 1 && !tail->residual && tail->scale == 1.0f &&
         apusk_activation_is_bound(tail->activation) &&
         (args->winograd != 0 || (args->cin == 1 && args->cout <= 8 && args->kh <= APUSK_GEMM_CHAIN &&
                                  args->kw <= APUSK_GEMM_CHAIN && apusk_conv_shape_of(args, 16).lone));
}

static int32_t check(const apusk_conv_kernels *kernels, const apusk_conv2d_f32_args *a) {
  if (!weights_make_sense(a->cin, a->cout, a->groups, a->kh, a->kw) || !in_range(a->batch, 0) ||
      !in_range(a->ih, 0) || !in_range(a->iw, 0) || !in_range(a->oh, 0) || !in_range(a->ow, 0) ||
      !in_range(a->stride_h, 1) || !in_range(a->stride_w, 1) ||
      !in_range(a->dilation_h, 1) || !in_range(a->dilation_w, 1) || !in_range(a->pad_top, 0) ||
      !in_range(a->pad_left, 0) || !in_range(a->x_pixel_stride, a->cin) || !in_range(a->y_pixel_stride, a->cout) ||
      a->tail.activation < 0 || a->tail.activation >= APUSK_ACTIVATION_COUNT || !algorithm_fits(a) ||
      (a->winograd && !apusk_conv2d_f32_winograd_fits(a)) || (a->pool != 0 && !apusk_conv2d_f32_pool_fits(a))) {
    return 100;
  }
  int64_t floats;
  if (!product(a->batch, a->ih, a->iw, a->x_pixel_stride, &floats) || floats > INT64_MAX / 8 ||
      !product(a->batch, a->oh, a->ow, a->y_pixel_stride, &floats) || floats > INT64_MAX / 8 ||
      apusk_conv2d_f32_packed_bytes(kernels, a) < 0) {
    return 301;
  }
  // Sizes are known to be small enough for the products of a shape.
  if (a->scaled && (a->groups != 1 || apusk_conv_shape_of(a, kernels->gemm->nr).variant != APUSK_CONV_POINTWISE)) return 100;
  return 0;
}

// The time of a unit in us, in a step of so many multiplications: long ones only where there is enough for several threads.
static double unit_time(const apusk_conv_isa *isa, double multiplies, double longest) {
  double quarter = multiplies / (4.0 * (double)isa->gemm->multiplies_per_us);
  return quarter < 1.25 ? 1.25 : quarter < longest ? quarter : longest;
}

// Bands of output rows: as many as make about 20 us and keep their input in the L2 cache.
static int32_t cut_rows(const apusk_conv_isa *isa, apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                        apusk_plan *plan) {
  const int64_t step = 1 + args->pool, height = args->oh >> args->pool;
  const int64_t columns = shape->lone ? args->cout : isa->gemm->kernels.nr;
  double panel_row = (double)args->ow * (double)shape->k * (double)columns;
  double row = panel_row * (double)shape->panels;
  double time = unit_time(isa, row * (double)args->oh * (double)(args->batch * args->groups), 20.0);
  double wanted = time * (double)isa->gemm->multiplies_per_us;
  int64_t rows = step, least = time < 20.0 ? 16 : 64;
  while (rows < args->oh && (row * (double)rows < wanted || rows * args->ow < least) &&
         (!shape->staged || apusk_conv_staged_floats(args, shape, rows + step) <= 49152)) {
    rows += step;
  }
  int64_t bands = apusk_divide_up(height, rows / step);
  rows = apusk_divide_up(height, bands) * step;
  double parts = row * (double)rows / (2.0 * wanted);
  int64_t panels = parts <= 1.0 ? shape->panels : (int64_t)((double)shape->panels / parts);
  args->rows_per_unit = rows;
  args->panels_per_unit = panels < 1 ? 1 : panels;
  plan->grain = apusk_gemm_grain(panel_row * (double)rows * (double)args->panels_per_unit, isa->gemm->multiplies_per_us);
  if (shape->staged) plan->scratch_bytes = apusk_conv_staged_floats(args, shape, rows) * (int64_t)sizeof(float);
  if (shape->lone) {
    plan->scratch_bytes = (apusk_conv_lone_planes(args, shape) + 16 * args->ow) * (int64_t)sizeof(float);
  }
  return product(args->batch, args->groups, bands, apusk_divide_up(shape->panels, args->panels_per_unit), &plan->units)
             ? 0
             : 301;
}

// Blocks of pixels, so that threads keep the part of the image that they have in their caches from layer to layer: two
// micro-kernels at least, or one where there are few, as many as make 10 us. Where two of them make more than 20 us, parts of
// the panels as well; and where there are too few blocks for several threads.
static int32_t cut_pixels(const apusk_conv_isa *isa, apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                          apusk_plan *plan) {
  int64_t pixels = args->batch * args->oh * args->ow, speed = isa->gemm->multiplies_per_us, mr = isa->gemm->kernels.mr;
  double each = (double)shape->k * isa->gemm->kernels.nr, wanted = 10.0 * (double)speed;
  if (pixels <= 2 && args->groups == 1 && !args->scaled) {
    args->rows_per_unit = pixels;
    plan->grain = apusk_gemm_cut_wide(isa->gemm, pixels, shape->panels, isa->gemm->wide_panels[pixels - 1], each,
                                      &args->panels_per_unit);
    plan->scratch_bytes = apusk_gemm_block_scratch_floats(pixels) * (int64_t)sizeof(float);
    plan->units = apusk_divide_up(shape->panels, args->panels_per_unit);
    return 0;
  }
  int64_t rows = pixels > 4 * mr && pixels <= 16 * mr ? mr : 2 * mr;
  while (rows + mr <= APUSK_GEMM_BLOCK_ROWS && each * (double)(rows * shape->panels) < wanted) rows += mr;
  args->rows_per_unit = apusk_divide_up(pixels, apusk_divide_up(pixels, rows));
  double block = each * (double)(args->rows_per_unit * shape->panels);
  if (pixels <= 2 * mr) wanted = unit_time(isa, block, 10.0) * (double)speed;
  int64_t parts = block <= 2.0 * wanted ? 1 : (int64_t)(block / wanted);
  if (args->scaled) parts = 1;  // who scales pixels is who reads them
  args->panels_per_unit = parts >= shape->panels ? 1 : shape->panels / parts;
  plan->grain = apusk_gemm_grain(each * (double)args->rows_per_unit * (double)args->panels_per_unit, speed);
  int64_t most = pixels < APUSK_GEMM_BLOCK_ROWS ? pixels : APUSK_GEMM_BLOCK_ROWS;  // run_pixels joins blocks
  plan->scratch_bytes = apusk_gemm_block_scratch_floats(most) * (int64_t)sizeof(float);
  return product(args->groups, apusk_divide_up(pixels, args->rows_per_unit),
                 apusk_divide_up(shape->panels, args->panels_per_unit), 1, &plan->units)
             ? 0
             : 301;
}

int32_t apusk_conv2d_f32_plan(const apusk_conv_kernels *kernels, apusk_conv2d_f32_args *args, apusk_plan *plan) {
  const apusk_conv_isa *isa = (const apusk_conv_isa *)kernels;  // its first member
  *plan = (apusk_plan){.kernel = kernels->conv2d_f32, .grain = 1};
  args->rows_per_unit = args->panels_per_unit = 1;
  int32_t status = check(kernels, args);
  if (status != 0) return status;
  if (args->batch == 0 || args->oh == 0 || args->ow == 0) return 0;
  apusk_conv_shape shape = apusk_conv_shape_of(args, kernels->gemm->nr);
  switch (shape.variant) {
    case APUSK_CONV_DEPTHWISE:
      plan->kernel = kernels->conv2d_depthwise_f32;
      return apusk_conv2d_depthwise_f32_cut(isa, args, &shape, plan);
    case APUSK_CONV_WINOGRAD:
      apusk_winograd_cut(isa, args, &shape, plan);
      return 0;
    case APUSK_CONV_GROUPED:
      return apusk_conv2d_grouped_f32_cut(isa, args, plan);
    case APUSK_CONV_ROWS:
      return cut_rows(isa, args, &shape, plan);
    default:
      return cut_pixels(isa, args, &shape, plan);
  }
}

int32_t apusk_conv2d_pack_f32_plan(const apusk_conv_kernels *kernels, const apusk_conv2d_pack_f32_args *args,
                                   apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = kernels->conv2d_pack_f32, .grain = 1};
  const apusk_conv2d_f32_args conv = {
      .cin = args->cin, .cout = args->cout, .groups = args->groups, .kh = args->kh, .kw = args->kw,
      .winograd = args->winograd,
  };
  if (!weights_make_sense(args->cin, args->cout, args->groups, args->kh, args->kw) || !algorithm_fits(&conv)) return 100;
  int64_t bytes = apusk_conv2d_f32_packed_bytes(kernels, &conv);
  if (bytes < 0) return 301;
  plan->units = apusk_conv2d_pack_units(kernels, args);
  // About a float a nanosecond; 10 us are worth a thread.
  plan->grain = apusk_divide_up(10000 * plan->units, bytes / (int64_t)sizeof(float));
  return 0;
}
