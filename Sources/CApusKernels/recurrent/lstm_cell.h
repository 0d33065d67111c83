// Template over a simd_*.h: the gates of an LSTM cell (the formulas are in apusk_recurrent.h).
// SIMD_SIGMOID and SIMD_TANH name apusk_math's functions of the level.
#include "lstm_isa.h"

// Runs BODY for vectors of lanes: `j` is the first, `n` how many of VL. LOAD and STORE take care of the last ones.
#define FOR_LANES(count, BODY)                       \
  for (int64_t j = 0; j < (count); j += VL) {        \
    int64_t n = (count) - j < VL ? (count) - j : VL; \
    BODY                                             \
  }
#define LOAD(p) (n == VL ? vload((p) + j) : vload_n((p) + j, n))
#define STORE(p, v)                \
  do {                             \
    if (n == VL) {                 \
      vstore((p) + j, v);          \
    } else {                       \
      vstore_n((p) + j, v, n);     \
    }                              \
  } while (0)

SIMD_TARGET static void lstm_activate(const apusk_rnn_activation *activation, float *v, int64_t count) {
  vf alpha = vset1(activation->alpha), beta = vset1(activation->beta), one = vset1(1.0f);
  switch (activation->code) {
    case APUSK_RNN_SIGMOID:
      SIMD_SIGMOID(v, v, count);
      break;
    case APUSK_RNN_TANH:
      SIMD_TANH(v, v, count);
      break;
    case APUSK_RNN_RELU:
      FOR_LANES(count, STORE(v, vraise(LOAD(v), vzero()));)
      break;
    case APUSK_RNN_AFFINE:
      FOR_LANES(count, STORE(v, vfma(alpha, LOAD(v), beta));)
      break;
    case APUSK_RNN_LEAKY_RELU:
      FOR_LANES(count, { vf x = LOAD(v); STORE(v, vif_less(x, vzero(), vmul(alpha, x), x)); })
      break;
    case APUSK_RNN_THRESHOLDED_RELU:
      // NaN stays.
      FOR_LANES(count, { vf x = LOAD(v); STORE(v, vif_less(x, alpha, vzero(), x)); })
      break;
    case APUSK_RNN_SCALED_TANH:
      FOR_LANES(count, STORE(v, vmul(beta, LOAD(v)));)
      SIMD_TANH(v, v, count);
      FOR_LANES(count, STORE(v, vmul(alpha, LOAD(v)));)
      break;
    case APUSK_RNN_HARD_SIGMOID:
      FOR_LANES(count, STORE(v, vlower(vraise(vfma(alpha, LOAD(v), beta), vzero()), one));)
      break;
    default:  // APUSK_RNN_SOFTSIGN; the plan refuses other codes
      FOR_LANES(count, { vf x = LOAD(v); STORE(v, vdiv(x, vadd(one, vabs(x)))); })
      break;
  }
}

// One gate: sums to activated values. `state` is the cell state that the peephole weights see.
SIMD_TARGET static void lstm_gate(const apusk_lstm_cell *cell, int64_t gate, const float *peephole, const float *state,
                                  const apusk_rnn_activation *activation) {
  const apusk_lstm_f32_args *args = cell->args;
  int64_t hidden = args->hidden;
  float *v = cell->gates + gate * hidden;
  const float *xw = cell->xw + gate * hidden;
  const float *wb = cell->bias ? cell->bias + gate * hidden : NULL;
  vf high = vset1(args->clip), low = vset1(-args->clip);
  bool clip = args->clip != 0.0f;
  FOR_LANES(hidden, {
    vf sum = vadd(LOAD(v), LOAD(xw));
    if (wb) sum = vadd(sum, vadd(LOAD(wb), LOAD(wb + 4 * hidden)));
    if (peephole) sum = vfma(LOAD(peephole), LOAD(state), sum);
    if (clip) sum = vlower(vraise(sum, low), high);
    STORE(v, sum);
  })
  lstm_activate(activation, v, hidden);
}

SIMD_TARGET static void lstm_cell(const apusk_lstm_cell *cell) {
  const apusk_lstm_f32_args *args = cell->args;
  int64_t hidden = args->hidden;
  int32_t d = cell->direction;
  const float *peephole_i = cell->peephole, *peephole_o = NULL, *peephole_f = NULL;
  if (cell->peephole) {
    peephole_o = cell->peephole + hidden;
    peephole_f = cell->peephole + 2 * hidden;
  }
  float *i = cell->gates, *o = i + hidden, *f = o + hidden, *g = f + hidden, *c = cell->c;
  lstm_gate(cell, 0, peephole_i, c, &args->f[d]);
  if (args->input_forget) {
    FOR_LANES(hidden, STORE(f, vsub(vset1(1.0f), LOAD(i)));)
  } else {
    lstm_gate(cell, 2, peephole_f, c, &args->f[d]);
  }
  lstm_gate(cell, 3, NULL, c, &args->g[d]);
  FOR_LANES(hidden, STORE(c, vfma(LOAD(i), LOAD(g), vmul(LOAD(f), LOAD(c))));)
  lstm_gate(cell, 1, peephole_o, c, &args->f[d]);
  FOR_LANES(hidden, STORE(g, LOAD(c));)
  lstm_activate(&args->h[d], g, hidden);
  FOR_LANES(hidden, STORE(cell->h, vmul(LOAD(o), LOAD(g)));)
}

#undef FOR_LANES
#undef LOAD
#undef STORE
