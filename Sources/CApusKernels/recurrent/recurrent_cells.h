// Template: the gates of recurrent layers on 16 columns at a time (the formulas are in apusk_recurrent.h).
#include "../math/activation.h"
#include "../math/activation_functions.h"
#include "recurrent_level.h"

// One copy for all gates: the calls cost little beside what they do.
__attribute__((noinline)) static f32x16 activated(const apusk_rnn_activation *activation, f32x16 v) {
  float alpha = activation->alpha, beta = activation->beta;
  switch (activation->code) {
    case APUSK_RNN_SIGMOID: return sigmoid16(v);
    case APUSK_RNN_TANH: return tanh16(v);
    case APUSK_RNN_RELU: return v < 0.0f ? splat(0.0f) : v;
    case APUSK_RNN_AFFINE: return fma16(splat(alpha), v, splat(beta));
    case APUSK_RNN_LEAKY_RELU: return v < 0.0f ? alpha * v : v;
    case APUSK_RNN_THRESHOLDED_RELU: return v < alpha ? splat(0.0f) : v;
    case APUSK_RNN_SCALED_TANH: return alpha * tanh16(beta * v);
    case APUSK_RNN_HARD_SIGMOID: return activate16(fma16(splat(alpha), v, splat(beta)), APUSK_ACTIVATION_CLIP, 0.0f, 1.0f);
    case APUSK_RNN_ELU: return v < 0.0f ? alpha * expm1_16(v) : v;
    case APUSK_RNN_SOFTPLUS: return softplus16(v);
    default: return v / (1.0f + abs16(v));  // APUSK_RNN_SOFTSIGN; the plan refuses other codes
  }
}

APUSK_INLINE f32x16 clipped(const apusk_recurrent_args *args, f32x16 v) {
  return args->clip == 0.0f ? v : activate16(v, APUSK_ACTIVATION_CLIP, -args->clip, args->clip);
}

// (h . R + xw) + (Wb + Rb) of n columns of a gate.
APUSK_INLINE f32x16 sum_of_gate(const apusk_recurrent_cell *cell, int64_t gates, int64_t gate, int64_t j, int64_t n) {
  int64_t hidden = cell->args->hidden, at = gate * hidden + j;
  f32x16 sum = load_lanes(cell->sums + at, n) + load_lanes(cell->xw + at, n);
  if (cell->bias) sum += load_lanes(cell->bias + at, n) + load_lanes(cell->bias + gates * hidden + at, n);
  return sum;
}

APUSK_INLINE void set_state(const apusk_recurrent_cell *cell, int64_t j, int64_t n, f32x16 h) {
  store_lanes(cell->next + j, h, n);
  if (cell->y) store_lanes(cell->y + j, h, n);
}

static void rnn(const apusk_recurrent_cell *cell, int64_t begin, int64_t end) {
  const apusk_recurrent_args *args = cell->args;
  for (int64_t j = begin; j < end; j += APUSK_LANES) {
    int64_t n = end - j;
    set_state(cell, j, n, activated(&args->f[cell->direction], clipped(args, sum_of_gate(cell, 1, 0, j, n))));
  }
}

static void gru_reset(const apusk_recurrent_cell *cell, int64_t begin, int64_t end) {
  const apusk_recurrent_args *args = cell->args;
  const apusk_rnn_activation *f = &args->f[cell->direction];
  for (int64_t j = begin; j < end; j += APUSK_LANES) {
    int64_t n = end - j;
    store_lanes(cell->z + j, activated(f, clipped(args, sum_of_gate(cell, 3, 0, j, n))), n);
    f32x16 r = activated(f, clipped(args, sum_of_gate(cell, 3, 1, j, n)));
    store_lanes(cell->c + j, r * load_lanes(cell->h + j, n), n);
  }
}

static void gru(const apusk_recurrent_cell *cell, int64_t begin, int64_t end) {
  const apusk_recurrent_args *args = cell->args;
  const apusk_rnn_activation *f = &args->f[cell->direction];
  int64_t hidden = args->hidden;
  for (int64_t j = begin; j < end; j += APUSK_LANES) {
    int64_t n = end - j, at = 2 * hidden + j;
    f32x16 z, sum;
    if (args->linear_before_reset) {
      z = activated(f, clipped(args, sum_of_gate(cell, 3, 0, j, n)));
      f32x16 r = activated(f, clipped(args, sum_of_gate(cell, 3, 1, j, n)));
      sum = load_lanes(cell->sums + at, n);
      if (cell->bias) sum += load_lanes(cell->bias + 3 * hidden + at, n);
      sum = fma16(r, sum, load_lanes(cell->xw + at, n));
      if (cell->bias) sum += load_lanes(cell->bias + at, n);
    } else {
      z = load_lanes(cell->z + j, n);
      sum = sum_of_gate(cell, 3, 2, j, n);
    }
    f32x16 candidate = activated(&args->g[cell->direction], clipped(args, sum));
    set_state(cell, j, n, fma16(z, load_lanes(cell->h + j, n), (1.0f - z) * candidate));
  }
}

static void lstm(const apusk_recurrent_cell *cell, int64_t begin, int64_t end) {
  const apusk_recurrent_args *args = cell->args;
  const apusk_rnn_activation *f = &args->f[cell->direction], *g = &args->g[cell->direction], *h = &args->h[cell->direction];
  int64_t hidden = args->hidden;
  const float *peephole = cell->peephole;
  for (int64_t j = begin; j < end; j += APUSK_LANES) {
    int64_t n = end - j;
    f32x16 c = load_lanes(cell->c + j, n), forget;
    f32x16 sum = sum_of_gate(cell, 4, 0, j, n);
    if (peephole) sum = fma16(load_lanes(peephole + j, n), c, sum);
    f32x16 input = activated(f, clipped(args, sum));
    if (args->input_forget) {
      forget = 1.0f - input;
    } else {
      sum = sum_of_gate(cell, 4, 2, j, n);
      if (peephole) sum = fma16(load_lanes(peephole + 2 * hidden + j, n), c, sum);
      forget = activated(f, clipped(args, sum));
    }
    c = fma16(input, activated(g, clipped(args, sum_of_gate(cell, 4, 3, j, n))), forget * c);
    store_lanes(cell->c + j, c, n);
    sum = sum_of_gate(cell, 4, 1, j, n);
    if (peephole) sum = fma16(load_lanes(peephole + hidden + j, n), c, sum);
    set_state(cell, j, n, activated(f, clipped(args, sum)) * activated(h, c));
  }
}

static int32_t run(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  return apusk_recurrent_f32_run(&APUSK_ISA_NAME(apusk_recurrent), args, begin, end, worker);
}

const apusk_recurrent_level APUSK_ISA_NAME(apusk_recurrent) = {
    .gemm = &APUSK_ISA_NAME(apusk_gemm_isa),
    .cells = {[APUSK_RNN] = rnn, [APUSK_GRU] = gru, [APUSK_LSTM] = lstm},
    .reset = gru_reset,
    .run = run,
};
