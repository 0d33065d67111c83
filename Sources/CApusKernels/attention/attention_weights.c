// Attention scores to weights, in one portable version.
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "../include/apusk_math.h"
#include "../include/apusk_softmax.h"
#include "attention_mask.h"

#pragma clang fp contract(off)

static void softcap_f64(double *row, int64_t n, float cap) {
  for (int64_t j = 0; j < n; j++) row[j] = tanh(row[j] / (double)cap) * (double)cap;
}

static void softmax_f64(double *row, int64_t n) {
  double largest = -(double)INFINITY, sum = 0;
  for (int64_t j = 0; j < n; j++) largest = row[j] > largest ? row[j] : largest;
  for (int64_t j = 0; j < n; j++) sum += row[j] = exp(row[j] - largest);
  for (int64_t j = 0; j < n; j++) row[j] /= sum;
}

static void softcap_f32(float *row, int64_t n, float cap) {
  for (int64_t j = 0; j < n; j++) row[j] /= cap;
  apusk_tanh_f32_portable(row, row, n);
  for (int64_t j = 0; j < n; j++) row[j] *= cap;
}

static void softmax_f32(float *row, int64_t n) {
  apusk_softmax_args args = {.input = row, .output = row, .outer = 1, .n = n, .inner = 1};
  apusk_plan plan;
  if (apusk_softmax_plan(APUSK_LEVEL_PORTABLE, APUSK_SOFTMAX, &args, &plan) == 0) plan.kernel(&args, 0, plan.units, NULL);
}

#define T float
#define APUSK_NAME(name) name##_f32
#include "attention_weights_typed.h"

#define T double
#define APUSK_NAME(name) name##_f64
#include "attention_weights_typed.h"

int32_t apusk_attention_weights_plan(const apusk_attention_weights_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.grain = 1 + 8192 / (args->keys + 32)};
  if (args->element_type != APUSK_FLOAT32 && args->element_type != APUSK_FLOAT64) return 502;
  plan->kernel = args->element_type == APUSK_FLOAT32 ? weights_f32 : weights_f64;
  plan->units = args->keys == 0 ? 0 : args->batch * args->heads * args->queries;
  return 0;
}
