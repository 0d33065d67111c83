// RNN, GRU and LSTM over time for both float types; see apusk_recurrent_layer.h.
#include "../include/apusk_recurrent_layer.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "../include/apusk_element_type.h"
#include "../include/apusk_math.h"

#pragma clang fp contract(off)

#define T float
#define APUSK_NAME(name) name##_f32
#define SIGMOID(v, n) apusk_sigmoid_f32_portable(v, v, n)
#define TANH(v, n) apusk_tanh_f32_portable(v, v, n)
#define EXP(v) apusk_exp_f32_portable(v, v, 1)
#define LOG(v) apusk_log_f32_portable(v, v, 1)
#include "recurrent_layer_typed.h"

static void sigmoid_f64(double *v, int64_t n) {
  for (int64_t j = 0; j < n; j++) v[j] = 1.0 / (1.0 + exp(-v[j]));
}

static void tanh_f64(double *v, int64_t n) {
  for (int64_t j = 0; j < n; j++) v[j] = tanh(v[j]);
}

#define T double
#define APUSK_NAME(name) name##_f64
#define SIGMOID(v, n) sigmoid_f64(v, n)
#define TANH(v, n) tanh_f64(v, n)
#define EXP(v) (*(v) = exp(*(v)))
#define LOG(v) (*(v) = log(*(v)))
#include "recurrent_layer_typed.h"

int64_t apusk_recurrent_layer_gates(int32_t kind) { return kind == APUSK_LAYER_RNN ? 1 : kind == APUSK_LAYER_GRU ? 3 : 4; }

static int64_t directions_of(const apusk_recurrent_layer_args *args) {
  return args->direction == APUSK_LSTM_BIDIRECTIONAL ? 2 : 1;
}

void apusk_recurrent_layer_set_layout(apusk_recurrent_layer_args *args, int32_t layout) {
  int64_t directions = directions_of(args), hidden = args->hidden;
  int64_t gates = directions * apusk_recurrent_layer_gates(args->kind) * hidden;
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

int32_t apusk_recurrent_layer_plan(const apusk_recurrent_layer_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.grain = 1};
  if (args->steps < 0 || args->batch < 0 || args->hidden < 0 || args->kind < APUSK_LAYER_RNN || args->kind > APUSK_LAYER_LSTM ||
      args->direction < APUSK_LSTM_FORWARD || args->direction > APUSK_LSTM_BIDIRECTIONAL || !(args->clip >= 0.0f)) {
    return 100;
  }
  for (int64_t d = 0; d < directions_of(args); d++) {
    const int32_t codes[3] = {args->f[d].code, args->g[d].code, args->h[d].code};
    for (int i = 0; i < 3; i++) {
      if (codes[i] < APUSK_RNN_SIGMOID || codes[i] > APUSK_RNN_SOFTPLUS) return 100;
    }
  }
  if (args->element_type != APUSK_FLOAT32 && args->element_type != APUSK_FLOAT64) return 502;
  plan->kernel = args->element_type == APUSK_FLOAT32 ? run_f32 : run_f64;
  int64_t width = args->element_type == APUSK_FLOAT32 ? sizeof(float) : sizeof(double);
  if (__builtin_mul_overflow(args->hidden, 7 * width, &plan->scratch_bytes) ||
      __builtin_mul_overflow(args->batch, directions_of(args), &plan->units)) {
    return 301;
  }
  if (args->hidden == 0) plan->units = 0;
  return 0;
}
