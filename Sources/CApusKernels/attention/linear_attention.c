// The recurrence of linear attention, token by token; see apusk_attention.h.
#include <stddef.h>
#include <string.h>

#include "../include/apusk_attention.h"
#include "../include/apusk_math.h"

#pragma clang fp contract(off)

static void decay_state(const apusk_linear_attention_args *args, float *state, const float *decay) {
  int64_t step = args->decay_width == args->kv_heads ? 0 : 1;
  float factor = 0;
  for (int64_t i = 0; i < args->key_size; i++) {
    if (i == 0 || step == 1) apusk_exp_f32_portable(&factor, decay + i * step, 1);
    for (int64_t j = 0; j < args->value_size; j++) state[i * args->value_size + j] *= factor;
  }
}

static int32_t linear_attention(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_linear_attention_args *args = args_;
  int64_t keys = args->key_size, values = args->value_size, group = args->query_heads / args->kv_heads;
  float *update = worker->scratch;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t head = unit % args->kv_heads, batch = unit / args->kv_heads;
    float *state = args->state + unit * keys * values;
    size_t bytes = sizeof(float) * (size_t)(keys * values);
    if (args->past) {
      memcpy(state, args->past + unit * keys * values, bytes);
    } else {
      memset(state, 0, bytes);
    }
    for (int64_t t = 0; t < args->tokens; t++) {
      int64_t token = batch * args->tokens + t;
      const float *k = args->key + (token * args->kv_heads + head) * keys;
      const float *v = args->value + (token * args->kv_heads + head) * values;
      if (args->rule & APUSK_LINEAR_ATTENTION_GATED) {
        int64_t width = args->decay_width / args->kv_heads;
        decay_state(args, state, args->decay + token * args->decay_width + head * width);
      }
      memcpy(update, v, sizeof(float) * (size_t)values);
      if (args->rule & APUSK_LINEAR_ATTENTION_DELTA) {
        float rate = args->beta[token * args->beta_width + (args->beta_width == 1 ? 0 : head)];
        float *held = update + values;
        memset(held, 0, sizeof(float) * (size_t)values);
        for (int64_t i = 0; i < keys; i++) {
          for (int64_t j = 0; j < values; j++) held[j] += k[i] * state[i * values + j];
        }
        for (int64_t j = 0; j < values; j++) update[j] = rate * (v[j] - held[j]);
      }
      for (int64_t i = 0; i < keys; i++) {
        for (int64_t j = 0; j < values; j++) state[i * values + j] += k[i] * update[j];
      }
      for (int64_t g = 0; g < group; g++) {
        int64_t query_head = token * args->query_heads + head * group + g;
        const float *q = args->query + query_head * keys;
        float *y = args->output + query_head * values;
        memset(y, 0, sizeof(float) * (size_t)values);
        for (int64_t i = 0; i < keys; i++) {
          for (int64_t j = 0; j < values; j++) y[j] += q[i] * state[i * values + j];
        }
        for (int64_t j = 0; j < values; j++) y[j] *= args->scale;
      }
    }
  }
  return 0;
}

int32_t apusk_linear_attention_plan(const apusk_linear_attention_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = linear_attention, .units = args->batch * args->kv_heads, .grain = 1};
  return __builtin_mul_overflow(args->value_size, 2 * (int64_t)sizeof(float), &plan->scratch_bytes) ? 301 : 0;
}
