// The recurrence of RNN, GRU and LSTM, float64: one portable version.
#include <math.h>
#include <string.h>

#include "recurrent_level.h"

#pragma clang fp contract(off)

static double dot(const double *a, const double *b, int64_t n) {
  double lanes[16] = {0};
  for (int64_t i = 0; i < n; i++) lanes[i % 16] += a[i] * b[i];
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

static double activated(const apusk_rnn_activation *activation, double x) {
  double alpha = (double)activation->alpha, beta = (double)activation->beta;
  switch (activation->code) {
    case APUSK_RNN_SIGMOID: return 1.0 / (1.0 + exp(-x));
    case APUSK_RNN_TANH: return tanh(x);
    case APUSK_RNN_RELU: return x < 0 ? 0 : x;
    case APUSK_RNN_AFFINE: return fma(alpha, x, beta);
    case APUSK_RNN_LEAKY_RELU: return x < 0 ? alpha * x : x;
    case APUSK_RNN_THRESHOLDED_RELU: return x < alpha ? 0 : x;
    case APUSK_RNN_SCALED_TANH: return alpha * tanh(beta * x);
    case APUSK_RNN_HARD_SIGMOID:
      x = fma(alpha, x, beta);
      return x < 0 ? 0 : x > 1 ? 1 : x;
    case APUSK_RNN_ELU: return x < 0 ? alpha * expm1(x) : x;
    case APUSK_RNN_SOFTPLUS: return (x < 0 ? 0 : x) + log1p(exp(x < 0 ? x : -x));  // does not overflow
    default: return x / (1 + fabs(x));  // APUSK_RNN_SOFTSIGN; the plan refuses other codes
  }
}

// What a time step of one item works with.
typedef struct cell {
  const apusk_recurrent_args *args;
  const double *r, *wb, *rb, *peephole, *xw;
  double *h, *c, *sums, *reset;
  int32_t d;
} cell;

static double clipped(const apusk_recurrent_args *args, double v) {
  double limit = (double)args->clip;
  return limit == 0 ? v : v < -limit ? -limit : v > limit ? limit : v;
}

// sums of one gate: activation(clip(state . R + xw + biases + peephole * c)).
static double *gate_of(const cell *cell, int64_t gate, const double *state, const double *peephole,
                       const apusk_rnn_activation *activation) {
  int64_t n = cell->args->hidden, at = gate * n;
  double *v = cell->sums + at;
  for (int64_t j = 0; j < n; j++) {
    double sum = dot(state, cell->r + (at + j) * n, n) + cell->xw[at + j];
    if (cell->wb) sum += cell->wb[at + j] + cell->rb[at + j];
    if (peephole) sum = fma(peephole[j], cell->c[j], sum);
    v[j] = activated(activation, clipped(cell->args, sum));
  }
  return v;
}

static void gru(const cell *cell) {
  const apusk_recurrent_args *args = cell->args;
  int64_t n = args->hidden;
  const apusk_rnn_activation *f = &args->f[cell->d], *g = &args->g[cell->d];
  double *z = gate_of(cell, 0, cell->h, NULL, f), *r = gate_of(cell, 1, cell->h, NULL, f), *v = cell->sums + 2 * n;
  if (args->linear_before_reset) {
    for (int64_t j = 0; j < n; j++) {
      double sum = dot(cell->h, cell->r + (2 * n + j) * n, n);
      if (cell->rb) sum += cell->rb[2 * n + j];
      sum = fma(r[j], sum, cell->xw[2 * n + j]);
      v[j] = activated(g, clipped(args, cell->wb ? sum + cell->wb[2 * n + j] : sum));
    }
  } else {
    for (int64_t j = 0; j < n; j++) cell->reset[j] = r[j] * cell->h[j];
    gate_of(cell, 2, cell->reset, NULL, g);
  }
  for (int64_t j = 0; j < n; j++) cell->h[j] = fma(z[j], cell->h[j], (1 - z[j]) * v[j]);
}

static void lstm(const cell *cell) {
  const apusk_recurrent_args *args = cell->args;
  int64_t n = args->hidden;
  const apusk_rnn_activation *f = &args->f[cell->d];
  const double *p = cell->peephole;
  double *i = gate_of(cell, 0, cell->h, p, f), *forget = cell->sums + 2 * n;
  if (args->input_forget) {
    for (int64_t j = 0; j < n; j++) forget[j] = 1 - i[j];
  } else {
    gate_of(cell, 2, cell->h, p ? p + 2 * n : NULL, f);
  }
  double *v = gate_of(cell, 3, cell->h, NULL, &args->g[cell->d]);
  for (int64_t j = 0; j < n; j++) cell->c[j] = fma(i[j], v[j], forget[j] * cell->c[j]);
  double *o = gate_of(cell, 1, cell->h, p ? p + n : NULL, f);
  for (int64_t j = 0; j < n; j++) cell->h[j] = o[j] * activated(&args->h[cell->d], cell->c[j]);
}

static void set_state(const double *initial, double *state, size_t bytes) {
  if (initial) {
    memcpy(state, initial, bytes);
  } else {
    memset(state, 0, bytes);
  }
}

static void run_item(const apusk_recurrent_args *args, int64_t d, int64_t item, int64_t length, double *scratch) {
  int64_t n = args->hidden, gates = apusk_recurrent_gates(args->kind) * n, state = d * args->state_d + item * args->state_b;
  size_t bytes = sizeof(double) * (size_t)n;
  const double *bias = args->bias ? (const double *)args->bias + d * 2 * gates : NULL;
  cell cell = {
      .args = args, .d = (int32_t)d, .r = (const double *)args->r + d * gates * n, .wb = bias, .rb = bias ? bias + gates : NULL,
      .peephole = args->peephole ? (const double *)args->peephole + d * 3 * n : NULL,
      .h = scratch, .c = scratch + n, .reset = scratch + 2 * n, .sums = scratch + 3 * n,
  };
  set_state(args->initial_h ? (const double *)args->initial_h + state : NULL, cell.h, bytes);
  set_state(args->initial_c ? (const double *)args->initial_c + state : NULL, cell.c, bytes);
  int reverse = args->direction == APUSK_RECURRENT_REVERSE || d == 1;
  for (int64_t step = 0; step < args->steps; step++) {
    int64_t t = reverse && step < length ? length - 1 - step : step;
    double *y = args->y ? (double *)args->y + t * args->y_t + d * args->y_d + item * args->y_b : NULL;
    if (step >= length) {
      if (y) memset(y, 0, bytes);
      continue;
    }
    cell.xw = (const double *)args->xw + t * args->xw_t + item * args->xw_b + d * gates;
    if (args->kind == APUSK_LSTM) {
      lstm(&cell);
    } else if (args->kind == APUSK_GRU) {
      gru(&cell);
    } else {
      memcpy(cell.h, gate_of(&cell, 0, cell.h, NULL, &args->f[d]), bytes);
    }
    if (y) memcpy(y, cell.h, bytes);
  }
  if (args->y_h) memcpy((double *)args->y_h + state, cell.h, bytes);
  if (args->y_c) memcpy((double *)args->y_c + state, cell.c, bytes);
}

int32_t apusk_recurrent_f64_run(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_recurrent_args *args = args_;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t item = unit % args->batch, length = apusk_recurrent_length(args, item, worker);
    if (length < 0) return 600;
    run_item(args, unit / args->batch, item, length, worker->scratch);
  }
  return 0;
}
