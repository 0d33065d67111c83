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

// What one gate gives for n columns from j on; `peephole` (or NULL) are the weights of its gate.
__attribute__((noinline)) static f32x16 gate_of(const apusk_recurrent_cell *cell, int64_t gate, int64_t j, int64_t n,
                                                const apusk_rnn_activation *activation, const float *peephole, f32x16 c) {
  int64_t at = gate * cell->args->hidden + j;
  f32x16 sum = load_lanes(cell->sums + at, n) + load_lanes(cell->xw + at, n);
  if (cell->bias) sum += load_lanes(cell->bias + at, n) + load_lanes(cell->bias + cell->gates + at, n);
  if (peephole) sum = fma16(load_lanes(peephole + j, n), c, sum);
  return activated(activation, clipped(cell->args, sum));
}

APUSK_INLINE void set_state(const apusk_recurrent_cell *cell, int64_t j, int64_t n, f32x16 h) {
  store_lanes(cell->next + j, h, n);
  if (cell->y) store_lanes(cell->y + j, h, n);
}

static void rnn(const apusk_recurrent_cell *cell, int64_t begin, int64_t end) {
  const apusk_rnn_activation *f = &cell->args->f[cell->direction];
  for (int64_t j = begin; j < end; j += APUSK_LANES) {
    set_state(cell, j, end - j, gate_of(cell, 0, j, end - j, f, NULL, splat(0.0f)));
  }
}

// z and r of a GRU: r * h goes to the place of LSTM's cell state.
static void gru_reset(const apusk_recurrent_cell *cell, int64_t begin, int64_t end) {
  const apusk_rnn_activation *f = &cell->args->f[cell->direction];
  for (int64_t j = begin; j < end; j += APUSK_LANES) {
    int64_t n = end - j;
    store_lanes(cell->z + j, gate_of(cell, 0, j, n, f, NULL, splat(0.0f)), n);
    f32x16 r = gate_of(cell, 1, j, n, f, NULL, splat(0.0f));
    store_lanes(cell->c + j, r * load_lanes(cell->h + j, n), n);
  }
}

static void gru(const apusk_recurrent_cell *cell, int64_t begin, int64_t end) {
  const apusk_recurrent_args *args = cell->args;
  const apusk_rnn_activation *f = &args->f[cell->direction], *g = &args->g[cell->direction];
  for (int64_t j = begin; j < end; j += APUSK_LANES) {
    int64_t n = end - j, at = 2 * args->hidden + j;
    f32x16 z, candidate;
    if (args->linear_before_reset) {
      z = gate_of(cell, 0, j, n, f, NULL, splat(0.0f));
      f32x16 r = gate_of(cell, 1, j, n, f, NULL, splat(0.0f)), sum = load_lanes(cell->sums + at, n);
      if (cell->bias) sum += load_lanes(cell->bias + cell->gates + at, n);
      sum = fma16(r, sum, load_lanes(cell->xw + at, n));
      if (cell->bias) sum += load_lanes(cell->bias + at, n);
      candidate = activated(g, clipped(args, sum));
    } else {
      z = load_lanes(cell->z + j, n);
      candidate = gate_of(cell, 2, j, n, g, NULL, splat(0.0f));
    }
    set_state(cell, j, n, fma16(z, load_lanes(cell->h + j, n), (1.0f - z) * candidate));
  }
}

static void lstm(const apusk_recurrent_cell *cell, int64_t begin, int64_t end) {
  const apusk_recurrent_args *args = cell->args;
  const apusk_rnn_activation *f = &args->f[cell->direction], *g = &args->g[cell->direction];
  const float *peephole = cell->peephole;
  const float *peephole_o = peephole ? peephole + args->hidden : NULL, *peephole_f = peephole ? peephole_o + args->hidden : NULL;
  for (int64_t j = begin; j < end; j += APUSK_LANES) {
    int64_t n = end - j;
    f32x16 c = load_lanes(cell->c + j, n);
    f32x16 input = gate_of(cell, 0, j, n, f, peephole, c);
    f32x16 forget = args->input_forget ? 1.0f - input : gate_of(cell, 2, j, n, f, peephole_f, c);
    c = fma16(input, gate_of(cell, 3, j, n, g, NULL, c), forget * c);
    store_lanes(cell->c + j, c, n);
    f32x16 output = gate_of(cell, 1, j, n, f, peephole_o, c);
    set_state(cell, j, n, output * activated(&args->h[cell->direction], c));
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
