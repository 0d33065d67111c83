// Plans of recurrent layers; see apusk_recurrent.h.
#include "recurrent_level.h"

int64_t apusk_recurrent_gates(int32_t kind) { return kind == APUSK_RNN ? 1 : kind == APUSK_GRU ? 3 : 4; }

void apusk_recurrent_set_layout(apusk_recurrent_args *args, int32_t layout) {
  int64_t directions = apusk_recurrent_directions(args), hidden = args->hidden;
  int64_t gates = directions * apusk_recurrent_gates(args->kind) * hidden;
  if (layout == 0) {
    args->xw_t = args->batch * gates;
    args->xw_b = gates;
    args->y_t = directions * args->batch * hidden;
    args->y_d = args->state_d = args->batch * hidden;
    args->y_b = args->state_b = hidden;
  } else {
    args->xw_t = gates;
    args->xw_b = args->steps * gates;
    args->y_t = directions * hidden;
    args->y_d = args->state_d = hidden;
    args->y_b = args->steps * directions * hidden;
    args->state_b = directions * hidden;
  }
}

int64_t apusk_recurrent_length(const apusk_recurrent_args *args, int64_t item, apusp_worker *worker) {
  int64_t length = args->sequence_lens ? args->sequence_lens[item] : args->steps;
  if (length >= 0 && length <= args->steps) return length;
  worker->fault = (apusp_fault){
      .code = 600, .operand = 4, .position = item, .value = length, .lower = 0, .upper = args->steps + 1};
  return -1;
}

static const apusk_recurrent_level *level_for(int32_t level) {
  switch (level) {
    case APUSK_LEVEL_PORTABLE: return &apusk_recurrent_portable;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2: return &apusk_recurrent_avx2;
    case APUSK_LEVEL_AVX512: return &apusk_recurrent_avx512;
#endif
    default: return NULL;
  }
}

static int activations_are_known(const apusk_recurrent_args *args) {
  for (int64_t d = 0; d < apusk_recurrent_directions(args); d++) {
    const int32_t codes[3] = {args->f[d].code, args->g[d].code, args->h[d].code};
    for (int i = 0; i < 3; i++) {
      if (codes[i] < APUSK_RNN_SIGMOID || codes[i] > APUSK_RNN_SOFTPLUS) return 0;
    }
  }
  return 1;
}

// Into how many parts a time step of `products` multiplications pays to be cut.
static int32_t parts_of(int64_t panels, double products, double threads_per_chain) {
  // R comes from a cache at about 8 products a ns; a meeting of threads takes about a microsecond.
  double wanted = products / (8 * 2000.0);
  if (wanted > threads_per_chain) wanted = threads_per_chain;
  if (wanted > (double)panels) wanted = (double)panels;
  return wanted < 1 ? 1 : (int32_t)wanted;
}

static int32_t plan_f32(const apusk_recurrent_level *level, apusk_recurrent_args *args, int32_t threads,
                        apusk_recurrent_plan_result *plan) {
  int64_t hidden = args->hidden, gates = apusk_recurrent_gates(args->kind), directions = apusk_recurrent_directions(args);
  // Every item of a chain reads R again from the cache, not from memory; as many chains as there are threads.
  int64_t most = 4 * (int64_t)level->gemm->kernels.mr, items = apusk_divide_up(args->batch * directions, threads);
  if (items > most) items = most;
  if (items > args->batch) items = args->batch;
  int64_t blocks = apusk_divide_up(args->batch, items), chains = directions * blocks;
  args->items_per_chain = items = apusk_divide_up(args->batch, blocks);
  double products = (double)gates * (double)hidden * (double)hidden * (double)items;
  const int64_t panels = apusk_divide_up(hidden, apusk_recurrent_panel(args, level->gemm));
  args->parts = parts_of(panels, products, (double)threads / (double)chains);
  int64_t scratch = apusk_gemm_block_scratch_floats(items) + (args->half_type ? APUSK_HALF_STRIP_FLOATS : 0);
  scratch *= (int64_t)sizeof(float);
  if (args->weights.bits != 0) {
    scratch = items * (apusk_block_digits_bytes(&args->weights) + APUSK_BLOCK_COLUMNS * (int64_t)sizeof(float));
  }
  plan->state_bytes = chains * apusk_recurrent_f32_chain_bytes(args);
  plan->start = (apusk_plan){.kernel = apusk_recurrent_f32_start, .units = chains, .grain = chains};
  plan->run = (apusk_plan){
      .kernel = level->run, .units = args->steps == 0 ? 0 : chains * args->parts, .grain = 1,
      .scratch_bytes = scratch};
  if (args->parts > 1) {
    plan->run.phases = apusk_recurrent_f32_phases(args);
  } else {
    double multiplies = (double)args->steps * (products + 32.0 * (double)(items * hidden));
    plan->run.grain = apusk_gemm_grain(multiplies, level->gemm->multiplies_per_us / 4);
  }
  return 0;
}

int32_t apusk_recurrent_plan(int32_t level, apusk_recurrent_args *args, int32_t threads, apusk_recurrent_plan_result *plan) {
  *plan = (apusk_recurrent_plan_result){.start = {.kernel = apusk_recurrent_f32_start, .grain = 1},
                                        .run = {.kernel = apusk_recurrent_f64_run, .grain = 1}};
  const apusk_recurrent_level *kernels = level_for(level);
  if (!kernels || args->steps < 0 || args->batch < 0 || args->hidden < 0 || threads < 1 || args->kind < APUSK_RNN ||
      args->kind > APUSK_LSTM || args->direction < APUSK_RECURRENT_FORWARD ||
      args->direction > APUSK_RECURRENT_BIDIRECTIONAL || !(args->clip >= 0.0f) || !activations_are_known(args)) {
    return 100;
  }
  if (args->element_type != APUSK_FLOAT32 && args->element_type != APUSK_FLOAT64) return 502;
  if (args->half_type != 0 && args->half_type != APUSK_FLOAT16 && args->half_type != APUSK_BFLOAT16) return 502;
  // 64 times what any tensor or state has.
  int64_t elements;
  if (__builtin_mul_overflow(args->steps + 64, args->batch + 64, &elements) ||
      __builtin_mul_overflow(elements, args->hidden + 64, &elements) || elements > INT64_MAX / 4096 ||
      args->hidden > INT32_MAX) {
    return 301;
  }
  if (args->batch == 0 || args->hidden == 0) return 0;
  if (args->weights.bits != 0) {
    if (args->element_type != APUSK_FLOAT32 || args->weights.k != args->hidden || args->weights.n != args->hidden ||
        !apusk_block_is_supported(&args->weights)) {
      return 100;
    }
    args->block_kernels = apusk_block_isa_of(level);
  }
  if (args->element_type == APUSK_FLOAT32) return plan_f32(kernels, args, threads, plan);
  plan->run.units = args->batch * apusk_recurrent_directions(args);
  plan->run.scratch_bytes = args->hidden * 7 * (int64_t)sizeof(double);
  return 0;
}
