// Template: the recurrence of RNN, GRU and LSTM. T is the element type; SIGMOID, TANH, EXP and LOG work on arrays in place.

static T APUSK_NAME(dot)(const T *a, const T *b, int64_t n) {
  T lanes[16] = {0};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int j = 0; j < 16; j++) lanes[j] += a[i + j] * b[i + j];
  }
  for (int j = 0; i < n; i++, j++) lanes[j] += a[i] * b[i];
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

static void APUSK_NAME(activate)(const apusk_rnn_activation *activation, T *v, int64_t n) {
  T alpha = (T)activation->alpha, beta = (T)activation->beta;
  switch (activation->code) {
    case APUSK_RNN_SIGMOID: SIGMOID(v, n); return;
    case APUSK_RNN_TANH: TANH(v, n); return;
    case APUSK_RNN_SCALED_TANH:
      for (int64_t j = 0; j < n; j++) v[j] *= beta;
      TANH(v, n);
      for (int64_t j = 0; j < n; j++) v[j] *= alpha;
      return;
    default: break;
  }
  for (int64_t j = 0; j < n; j++) {
    T x = v[j];
    switch (activation->code) {
      case APUSK_RNN_RELU: x = x < 0 ? 0 : x; break;
      case APUSK_RNN_AFFINE: x = alpha * x + beta; break;
      case APUSK_RNN_LEAKY_RELU: x = x < 0 ? alpha * x : x; break;
      case APUSK_RNN_THRESHOLDED_RELU: x = x < alpha ? 0 : x; break;
      case APUSK_RNN_HARD_SIGMOID:
        x = alpha * x + beta;
        x = x < 0 ? 0 : x > 1 ? 1 : x;
        break;
      case APUSK_RNN_SOFTSIGN: x = x / (1 + (x < 0 ? -x : x)); break;
      case APUSK_RNN_ELU:
        if (x < 0) {
          EXP(&x);
          x = alpha * (x - 1);
        }
        break;
      default: {  // APUSK_RNN_SOFTPLUS; the plan refuses other codes
        // log(1 + e^v) = max(v, 0) + log(1 + e^-|v|) does not overflow.
        T small = x < 0 ? x : -x;
        EXP(&small);
        small += 1;
        LOG(&small);
        x = (x < 0 ? 0 : x) + small;
        break;
      }
    }
    v[j] = x;
  }
}

// What a time step of one item works with.
typedef struct APUSK_NAME(cell) {
  const apusk_recurrent_layer_args *args;
  const T *r, *wb, *rb, *peephole, *xw;
  T *h, *c, *sums, *reset;
  int32_t d;
} APUSK_NAME(cell);

static void APUSK_NAME(clip)(const apusk_recurrent_layer_args *args, T *v) {
  T limit = (T)args->clip;
  if (args->clip == 0) return;
  for (int64_t j = 0; j < args->hidden; j++) v[j] = v[j] < -limit ? -limit : v[j] > limit ? limit : v[j];
}

// sums of one gate: activation(clip(xw + state . R + biases + peephole * c)).
static T *APUSK_NAME(gate)(const APUSK_NAME(cell) *cell, int64_t gate, const T *state, const T *peephole,
                           const apusk_rnn_activation *activation) {
  const apusk_recurrent_layer_args *args = cell->args;
  int64_t n = args->hidden, at = gate * n;
  T *v = cell->sums + at;
  for (int64_t j = 0; j < n; j++) {
    T sum = APUSK_NAME(dot)(state, cell->r + (at + j) * n, n) + cell->xw[at + j];
    if (cell->wb) sum += cell->wb[at + j] + cell->rb[at + j];
    if (peephole) sum += peephole[j] * cell->c[j];
    v[j] = sum;
  }
  APUSK_NAME(clip)(args, v);
  APUSK_NAME(activate)(activation, v, n);
  return v;
}

static void APUSK_NAME(gru)(const APUSK_NAME(cell) *cell) {
  const apusk_recurrent_layer_args *args = cell->args;
  int64_t n = args->hidden;
  const apusk_rnn_activation *f = &args->f[cell->d], *g = &args->g[cell->d];
  T *z = APUSK_NAME(gate)(cell, 0, cell->h, NULL, f), *r = APUSK_NAME(gate)(cell, 1, cell->h, NULL, f), *v;
  if (args->linear_before_reset) {
    v = cell->sums + 2 * n;
    for (int64_t j = 0; j < n; j++) {
      T sum = APUSK_NAME(dot)(cell->h, cell->r + (2 * n + j) * n, n);
      if (cell->rb) sum += cell->rb[2 * n + j];
      sum = r[j] * sum + cell->xw[2 * n + j];
      v[j] = cell->wb ? sum + cell->wb[2 * n + j] : sum;
    }
    APUSK_NAME(clip)(args, v);
    APUSK_NAME(activate)(g, v, n);
  } else {
    for (int64_t j = 0; j < n; j++) cell->reset[j] = r[j] * cell->h[j];
    v = APUSK_NAME(gate)(cell, 2, cell->reset, NULL, g);
  }
  for (int64_t j = 0; j < n; j++) cell->h[j] = (1 - z[j]) * v[j] + z[j] * cell->h[j];
}

static void APUSK_NAME(lstm)(const APUSK_NAME(cell) *cell) {
  const apusk_recurrent_layer_args *args = cell->args;
  int64_t n = args->hidden;
  const apusk_rnn_activation *f = &args->f[cell->d];
  const T *p = cell->peephole;
  T *i = APUSK_NAME(gate)(cell, 0, cell->h, p, f), *forget = cell->sums + 2 * n;
  if (args->input_forget) {
    for (int64_t j = 0; j < n; j++) forget[j] = 1 - i[j];
  } else {
    APUSK_NAME(gate)(cell, 2, cell->h, p ? p + 2 * n : NULL, f);
  }
  T *v = APUSK_NAME(gate)(cell, 3, cell->h, NULL, &args->g[cell->d]);
  for (int64_t j = 0; j < n; j++) cell->c[j] = forget[j] * cell->c[j] + i[j] * v[j];
  T *o = APUSK_NAME(gate)(cell, 1, cell->h, p ? p + n : NULL, f);
  memcpy(v, cell->c, sizeof(T) * (size_t)n);
  APUSK_NAME(activate)(&args->h[cell->d], v, n);
  for (int64_t j = 0; j < n; j++) cell->h[j] = o[j] * v[j];
}

static void APUSK_NAME(start)(const apusk_recurrent_layer_args *args, const void *initial, int64_t offset, T *state) {
  size_t bytes = sizeof(T) * (size_t)args->hidden;
  if (initial) {
    memcpy(state, (const T *)initial + offset, bytes);
  } else {
    memset(state, 0, bytes);
  }
}

static int32_t APUSK_NAME(run)(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_recurrent_layer_args *args = args_;
  int64_t n = args->hidden, gates = apusk_recurrent_layer_gates(args->kind) * n;
  size_t bytes = sizeof(T) * (size_t)n;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t d = unit / args->batch, item = unit % args->batch, state = d * args->state_d + item * args->state_b;
    int64_t length = args->sequence_lens ? args->sequence_lens[item] : args->steps;
    if (length < 0 || length > args->steps) {
      worker->fault = (apusp_fault){.code = 600, .operand = 4, .position = item, .value = length, .lower = 0,
                                    .upper = args->steps + 1};
      return 600;
    }
    T *scratch = worker->scratch;
    const T *bias = args->bias ? (const T *)args->bias + d * 2 * gates : NULL;
    APUSK_NAME(cell) cell = {
        .args = args, .d = (int32_t)d, .r = (const T *)args->r + d * gates * n, .wb = bias, .rb = bias ? bias + gates : NULL,
        .peephole = args->peephole ? (const T *)args->peephole + d * 3 * n : NULL,
        .h = scratch, .c = scratch + n, .reset = scratch + 2 * n, .sums = scratch + 3 * n,
    };
    APUSK_NAME(start)(args, args->initial_h, state, cell.h);
    APUSK_NAME(start)(args, args->initial_c, state, cell.c);
    int reverse = args->direction == APUSK_LSTM_REVERSE || d == 1;
    for (int64_t step = 0; step < args->steps; step++) {
      int64_t t = reverse && step < length ? length - 1 - step : step;
      T *y = args->y ? (T *)args->y + t * args->y_t + d * args->y_d + item * args->y_b : NULL;
      if (step >= length) {
        if (y) memset(y, 0, bytes);
        continue;
      }
      cell.xw = (const T *)args->xw + t * args->xw_t + item * args->xw_b + d * gates;
      if (args->kind == APUSK_LAYER_LSTM) {
        APUSK_NAME(lstm)(&cell);
      } else if (args->kind == APUSK_LAYER_GRU) {
        APUSK_NAME(gru)(&cell);
      } else {
        memcpy(cell.h, APUSK_NAME(gate)(&cell, 0, cell.h, NULL, &args->f[d]), bytes);
      }
      if (y) memcpy(y, cell.h, bytes);
    }
    if (args->y_h) memcpy((T *)args->y_h + state, cell.h, bytes);
    if (args->y_c) memcpy((T *)args->y_c + state, cell.c, bytes);
  }
  return 0;
}
#undef T
#undef SIGMOID
#undef TANH
#undef EXP
#undef LOG
#undef APUSK_NAME
