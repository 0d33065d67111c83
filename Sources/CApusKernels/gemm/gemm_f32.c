// The matrix product as a step: how it is cut into units, and a unit's way to the micro-kernels.
#include "gemm_entry.h"
#include "gemm_half.h"

const apusk_gemm_kernels *apusk_gemm_kernels_for(int32_t level) {
  switch (level) {
    case APUSK_LEVEL_PORTABLE:
      return &apusk_gemm_isa_portable.kernels;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2:
      return &apusk_gemm_isa_avx2.kernels;
    case APUSK_LEVEL_AVX512:
      return &apusk_gemm_isa_avx512.kernels;
#endif
    default:
      return NULL;
  }
}

void apusk_gemm_cut(const apusk_gemm_isa *isa, int64_t rows, int64_t panels, double multiplies_per_row_and_panel,
                    int64_t *rows_per_unit, int64_t *panels_per_unit) {
  // A unit of about 20 us is small enough to balance threads and large enough that claiming it costs nothing.
  double wanted = 20.0 * (double)isa->multiplies_per_us;
  double total = multiplies_per_row_and_panel * (double)rows * (double)panels;
  double units = total / wanted;
  int64_t blocks = apusk_divide_up(rows, APUSK_GEMM_BLOCK_ROWS);
  double in_block = total / (double)blocks;
  if (in_block > 2 * wanted) {
    // Columns first: blocks of rows share packed A. Then rows, down to two micro-kernels.
    double parts = units / (double)blocks;
    double per = (double)panels / parts;
    *panels_per_unit = per < 1.0 ? 1 : per > (double)panels ? panels : (int64_t)per;
    double left = in_block / ((double)panels / (double)*panels_per_unit);
    int64_t least = 2 * isa->kernels.mr;
    while (left > 4 * wanted && blocks < 64 && apusk_divide_up(rows, blocks) >= 2 * least) {
      blocks *= 2;
      left /= 2;
    }
  } else {
    *panels_per_unit = panels;
  }
  *rows_per_unit = apusk_divide_up(rows, blocks);
}

int64_t apusk_gemm_grain(double unit_multiplies, int64_t multiplies_per_us) {
  double per = 2.5 * (double)multiplies_per_us;
  if (unit_multiplies >= per) return 1;
  double grain = per / (unit_multiplies < 1.0 ? 1.0 : unit_multiplies);
  return (int64_t)grain + 1;  // at most 2.5 * multiplies_per_us
}

int64_t apusk_gemm_cut_wide(const apusk_gemm_isa *isa, int64_t rows, int64_t panels, int64_t group, double each,
                            int64_t *panels_per_unit) {
  int64_t groups = each * (double)group >= 32768.0 ? 1 : 1 + (int64_t)(32768.0 / ((each + 1.0) * (double)group));
  *panels_per_unit = panels >= 4 * groups * group ? groups * group : 1;
  int64_t speed = isa->multiplies_per_us * rows / (each * (double)panels > 131072.0 ? 8 : 2);
  return apusk_gemm_grain(each * (double)(rows * *panels_per_unit), speed);
}

int32_t apusk_gemm_f32_plan(const apusk_gemm_kernels *kernels, apusk_gemm_f32_args *args, apusk_plan *plan) {
  const apusk_gemm_isa *isa = apusk_gemm_isa_of(kernels);
  *plan = (apusk_plan){.kernel = kernels->gemm_f32, .grain = 1};
  args->rows_per_unit = args->panels_per_unit = 1;
  if (args->m < 0 || args->n < 0 || args->k < 0 || args->batches < 0 || args->tail.activation < 0 ||
      args->tail.activation >= APUSK_ACTIVATION_COUNT) {
    return 100;
  }
  if (args->m == 0 || args->n == 0 || args->batches == 0) return 0;
  if (apusk_gemm_packed_bytes(kernels, args->k, args->n) < 0) return 301;
  int64_t panels = apusk_gemm_panels(args->n, kernels->nr);
  double each = (double)args->k * kernels->nr;
  int64_t speed = isa->multiplies_per_us;
  const bool half = args->half_type != 0, quantized = args->weights.bits != 0;
  if (quantized && !apusk_block_is_supported(&args->weights)) return 100;
  if (half && args->half_type != APUSK_FLOAT16 && args->half_type != APUSK_BFLOAT16) return 502;
  int64_t group = half ? apusk_half_panels(isa, args->m) : args->m <= 2 ? isa->wide_panels[args->m - 1] : 0;
  if (quantized) group = 0;
  if (group > 0) {
    args->rows_per_unit = args->m;
    plan->grain = apusk_gemm_cut_wide(isa, args->m, panels, group, each, &args->panels_per_unit);
  } else {
    apusk_gemm_cut(isa, args->m, panels, each, &args->rows_per_unit, &args->panels_per_unit);
    // Units side by side are done as one: small ones cost nothing, and threads can have equal shares of them.
    double most = 2.0 * (double)speed / ((each + 1.0) * (double)args->rows_per_unit);
    if (most < (double)args->panels_per_unit) args->panels_per_unit = most < 1.0 ? 1 : (int64_t)most;
    plan->grain = apusk_gemm_grain(each * (double)args->rows_per_unit * (double)args->panels_per_unit, speed);
  }
  int64_t blocks = apusk_divide_up(args->m, args->rows_per_unit);
  int64_t parts = apusk_divide_up(panels, args->panels_per_unit);
  if (__builtin_mul_overflow(blocks, parts, &plan->units) ||
      __builtin_mul_overflow(plan->units, args->batches, &plan->units)) {
    return 301;
  }
  int64_t scratch = apusk_gemm_block_scratch_floats(args->rows_per_unit) + (half || quantized ? APUSK_HALF_STRIP_FLOATS : 0);
  plan->scratch_bytes = scratch * (int64_t)sizeof(float);
  return 0;
}

int32_t apusk_gemm_f32_run(const apusk_gemm_isa *isa, const apusk_gemm_f32_args *args, int64_t begin, int64_t end,
                           apusp_worker *worker) {
  int64_t panels = apusk_gemm_panels(args->n, isa->kernels.nr);
  int64_t blocks = apusk_divide_up(args->m, args->rows_per_unit);
  int64_t parts = apusk_divide_up(panels, args->panels_per_unit);
  const apusk_tail *tail = &args->tail;
  const bool half = args->half_type != 0, quantized = args->weights.bits != 0;
  for (int64_t unit = begin; unit < end;) {
    int64_t part = unit % parts, row = unit / parts % blocks * args->rows_per_unit, batch = unit / parts / blocks;
    // Units side by side share their rows of A.
    int64_t end_part = parts - part < end - unit ? parts : part + (end - unit);
    int64_t end_panel = end_part * args->panels_per_unit;
    int64_t a = args->a_offsets ? args->a_offsets[batch] : batch * args->a_batch_stride;
    int64_t b = args->b_offsets ? args->b_offsets[batch] : batch * args->b_batch_stride;
    int64_t c = args->c_offsets ? args->c_offsets[batch] : batch * args->c_batch_stride;
    int64_t residual = batch * args->residual_batch_stride + row * tail->residual_row_stride;
    apusk_gemm_block block = {
        .a = args->a + a + row * args->a_row_stride, .a_row = args->a_row_stride, .a_k = args->a_k_stride,
        .b = half || quantized ? NULL : args->b + b, .half = half ? args->half + b : NULL, .half_type = args->half_type,
        .blocks = quantized ? &args->weights : NULL,
        .c = args->c + c + row * args->c_row_stride,
        .c_row = args->c_row_stride,
        .rows = args->m - row < args->rows_per_unit ? args->m - row : args->rows_per_unit, .n = args->n, .k = args->k,
        .first_panel = part * args->panels_per_unit, .end_panel = end_panel < panels ? end_panel : panels,
        .tail = tail, .bias = tail->bias, .residual = tail->residual ? tail->residual + residual : NULL,
    };
    apusk_gemm_block_run(isa, &block, worker->scratch);
    unit += end_part - part;
  }
  return 0;
}
