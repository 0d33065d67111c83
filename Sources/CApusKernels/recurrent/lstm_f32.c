// The LSTM's recurrence over time: a unit is one direction of some batch items.
#include <string.h>

#include "lstm_isa.h"

const apusk_recurrent_kernels *apusk_recurrent_kernels_for(int32_t level) {
  switch (level) {
    case APUSK_LEVEL_PORTABLE:
      return &apusk_recurrent_isa_portable.kernels;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2:
      return &apusk_recurrent_isa_avx2.kernels;
    case APUSK_LEVEL_AVX512:
      return &apusk_recurrent_isa_avx512.kernels;
#endif
    default:
      return NULL;
  }
}

static int64_t directions_of(const apusk_lstm_f32_args *args) {
  return args->direction == APUSK_LSTM_BIDIRECTIONAL ? 2 : 1;
}

void apusk_lstm_f32_set_layout(apusk_lstm_f32_args *args, int32_t layout) {
  int64_t directions = directions_of(args), hidden = args->hidden, gates = directions * 4 * hidden;
  if (layout == 0) {
    args->xw_t = args->batch * gates;
    args->xw_b = gates;
    args->y_t = directions * args->batch * hidden;
    args->y_d = args->batch * hidden;
    args->y_b = hidden;
    args->state_d = args->batch * hidden;
    args->state_b = hidden;
  } else {
    args->xw_t = gates;
    args->xw_b = args->steps * gates;
    args->y_t = directions * hidden;
    args->y_d = hidden;
    args->y_b = args->steps * directions * hidden;
    args->state_d = hidden;
    args->state_b = directions * hidden;
  }
}

void apusk_lstm_f32_set_default_activations(apusk_lstm_f32_args *args) {
  for (int d = 0; d < 2; d++) {
    args->f[d] = (apusk_rnn_activation){.code = APUSK_RNN_SIGMOID};
    args->g[d] = args->h[d] = (apusk_rnn_activation){.code = APUSK_RNN_TANH};
  }
}

int64_t apusk_lstm_f32_packed_bytes(const apusk_recurrent_kernels *kernels, int32_t directions, int64_t hidden) {
  if (hidden < 0 || hidden > INT32_MAX || directions < 1 || directions > 2) return -1;
  int64_t bytes = apusk_gemm_packed_bytes(kernels->gemm, hidden, 4 * hidden), all;
  return bytes < 0 || __builtin_mul_overflow(bytes, (int64_t)directions, &all) ? -1 : all;
}

void apusk_lstm_f32_pack(const apusk_recurrent_kernels *kernels, int32_t directions, int64_t hidden, const float *r,
                         float *packed) {
  int64_t each = apusk_gemm_packed_bytes(kernels->gemm, hidden, 4 * hidden) / (int64_t)sizeof(float);
  for (int32_t d = 0; d < directions; d++) {
    apusk_gemm_pack_b_f32(kernels->gemm, r + d * 4 * hidden * hidden, 1, hidden, hidden, 4 * hidden, packed + d * each);
  }
}

// Scratch of a unit, in floats: h and c [items, H], gates [items, 4H], a block of A for the product.
static int64_t padded(int64_t floats) { return (floats + 15) & ~(int64_t)15; }

int32_t apusk_lstm_f32_plan(const apusk_recurrent_kernels *kernels, apusk_lstm_f32_args *args, int32_t threads,
                            apusk_plan *plan) {
  const apusk_recurrent_isa *isa = (const apusk_recurrent_isa *)kernels;  // its first member
  *plan = (apusk_plan){.kernel = kernels->lstm_f32, .grain = 1};
  args->items_per_unit = 1;
  int64_t floats;
  if (args->steps < 0 || args->batch < 0 || args->hidden < 0 || threads < 1 || args->direction < APUSK_LSTM_FORWARD ||
      args->direction > APUSK_LSTM_BIDIRECTIONAL || !(args->clip >= 0.0f)) {
    return 100;
  }
  int64_t directions = directions_of(args);
  for (int64_t d = 0; d < directions; d++) {
    const int32_t codes[3] = {args->f[d].code, args->g[d].code, args->h[d].code};
    for (int i = 0; i < 3; i++) {
      if (codes[i] < APUSK_RNN_SIGMOID || codes[i] > APUSK_RNN_SOFTSIGN) return 100;
    }
  }
  if (apusk_lstm_f32_packed_bytes(kernels, (int32_t)directions, args->hidden) < 0 ||
      __builtin_mul_overflow(args->steps, args->batch, &floats) ||
      __builtin_mul_overflow(floats, 8 * args->hidden, &floats) || floats > INT64_MAX / 8) {
    return 301;
  }
  if (args->batch == 0 || args->hidden == 0) return 0;
  // Every item of a unit reads R again from the cache, not from memory; as many units as there are threads.
  int64_t most = 4 * (int64_t)kernels->gemm->mr, items = apusk_divide_up(args->batch * directions, threads);
  if (items > most) items = most;
  if (items > args->batch) items = args->batch;
  items = apusk_divide_up(args->batch, apusk_divide_up(args->batch, items));
  args->items_per_unit = items;
  plan->units = directions * apusk_divide_up(args->batch, items);
  plan->scratch_bytes = (2 * padded(items * args->hidden) + padded(items * 4 * args->hidden) +
                         apusk_gemm_block_scratch_floats(items)) * (int64_t)sizeof(float);
  double multiplies = (double)args->steps * (double)items * 4.0 * (double)args->hidden * ((double)args->hidden + 32.0);
  plan->grain = apusk_gemm_grain(multiplies, isa->gemm->multiplies_per_us / 4);
  return 0;
}

static void initial_state(const apusk_lstm_f32_args *args, const float *initial, int64_t d, int64_t item, float *state) {
  size_t bytes = sizeof(float) * (size_t)args->hidden;
  if (initial) {
    memcpy(state, initial + d * args->state_d + item * args->state_b, bytes);
  } else {
    memset(state, 0, bytes);
  }
}

static int64_t length_of(const apusk_lstm_f32_args *args, int64_t item) {
  return args->sequence_lens ? args->sequence_lens[item] : args->steps;
}

static int32_t run_unit(const apusk_recurrent_isa *isa, const apusk_lstm_f32_args *args, int64_t d, int64_t first,
                        int64_t items, apusp_worker *worker) {
  int64_t hidden = args->hidden, gates = 4 * hidden, longest = 0;
  for (int64_t i = 0; i < items; i++) {
    int64_t length = length_of(args, first + i);
    if (length < 0 || length > args->steps) {
      worker->fault = (apusp_fault){.code = 600, .operand = 4, .position = first + i, .value = length,
                                    .lower = 0, .upper = args->steps + 1};
      return 600;
    }
    if (length > longest) longest = length;
  }
  float *h = worker->scratch, *c = h + padded(items * hidden), *sums = c + padded(items * hidden);
  float *block_scratch = sums + padded(items * gates);
  for (int64_t i = 0; i < items; i++) {
    initial_state(args, args->initial_h, d, first + i, h + i * hidden);
    initial_state(args, args->initial_c, d, first + i, c + i * hidden);
  }
  int64_t packed = apusk_gemm_packed_bytes(&isa->gemm->kernels, hidden, gates) / (int64_t)sizeof(float);
  apusk_gemm_block product = {
      .a = h, .a_row = hidden, .a_k = 1, .b = args->r + d * packed, .c = sums, .c_row = gates, .rows = items,
      .n = gates, .k = hidden, .end_panel = apusk_gemm_panels(gates, isa->gemm->kernels.nr),
  };
  bool reverse = args->direction == APUSK_LSTM_REVERSE || d == 1;
  for (int64_t step = 0; step < args->steps; step++) {
    if (step < longest) apusk_gemm_block_run(isa->gemm, &product, block_scratch);
    for (int64_t i = 0; i < items; i++) {
      int64_t item = first + i, length = length_of(args, item);
      int64_t t = reverse && step < length ? length - 1 - step : step;
      float *y = args->y ? args->y + t * args->y_t + d * args->y_d + item * args->y_b : NULL;
      if (step >= length) {
        if (y) memset(y, 0, sizeof(float) * (size_t)hidden);
        continue;
      }
      apusk_lstm_cell cell = {
          .args = args, .direction = (int32_t)d, .gates = sums + i * gates,
          .xw = args->xw + t * args->xw_t + item * args->xw_b + d * gates,
          .bias = args->bias ? args->bias + d * 8 * hidden : NULL,
          .peephole = args->peephole ? args->peephole + d * 3 * hidden : NULL,
          .c = c + i * hidden, .h = h + i * hidden,
      };
      isa->cell(&cell);
      if (y) memcpy(y, cell.h, sizeof(float) * (size_t)hidden);
    }
  }
  for (int64_t i = 0; i < items; i++) {
    int64_t offset = d * args->state_d + (first + i) * args->state_b;
    if (args->y_h) memcpy(args->y_h + offset, h + i * hidden, sizeof(float) * (size_t)hidden);
    if (args->y_c) memcpy(args->y_c + offset, c + i * hidden, sizeof(float) * (size_t)hidden);
  }
  return 0;
}

int32_t apusk_lstm_f32_run(const apusk_recurrent_isa *isa, const apusk_lstm_f32_args *args, int64_t begin, int64_t end,
                           apusp_worker *worker) {
  int64_t blocks = apusk_divide_up(args->batch, args->items_per_unit);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t first = unit % blocks * args->items_per_unit;
    int64_t items = args->batch - first < args->items_per_unit ? args->batch - first : args->items_per_unit;
    int32_t status = run_unit(isa, args, unit / blocks, first, items, worker);
    if (status != 0) return status;
  }
  return 0;
}
