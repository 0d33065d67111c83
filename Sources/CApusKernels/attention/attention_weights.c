// Attention scores to weights: mask and softcap in one portable version; the softmax of float32 rows is the level's own.
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "../include/apusk_attention.h"
#include "../include/apusk_math.h"
#include "../include/apusk_softmax.h"

#pragma clang fp contract(off)

#define T float
#define APUSK_NAME(name) name##_f32
#include "attention_weights_typed.h"

#define T double
#define APUSK_NAME(name) name##_f64
#include "attention_weights_typed.h"

static void softcap_f64(double *row, int64_t n, float cap) {
  for (int64_t j = 0; j < n; j++) row[j] = tanh(row[j] / (double)cap) * (double)cap;
}

static void softmax_f64(double *row, int64_t n) {
  double largest = -(double)INFINITY, sum = 0;
  for (int64_t j = 0; j < n; j++) largest = row[j] > largest ? row[j] : largest;
  for (int64_t j = 0; j < n; j++) sum += row[j] = exp(row[j] - largest);
  for (int64_t j = 0; j < n; j++) row[j] /= sum;
}

static int32_t weights_f64(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  run_f64(args, begin, end, softcap_f64, softmax_f64);
  return 0;
}

#define LEVEL_OF_F32(name, level)                                                                                    \
  static void softcap_##name(float *row, int64_t n, float cap) {                                                     \
    for (int64_t j = 0; j < n; j++) row[j] /= cap;                                                                   \
    apusk_tanh_f32_##name(row, row, n);                                                                              \
    for (int64_t j = 0; j < n; j++) row[j] *= cap;                                                                   \
  }                                                                                                                  \
  static void softmax_##name(float *row, int64_t n) {                                                                \
    apusk_softmax_args args = {.input = row, .output = row, .outer = 1, .n = n, .inner = 1};                         \
    apusk_plan plan;                                                                                                 \
    if (apusk_softmax_plan(level, APUSK_SOFTMAX, &args, &plan) == 0) plan.kernel(&args, 0, plan.units, NULL);        \
  }                                                                                                                  \
  static int32_t weights_##name(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {                \
    (void)worker;                                                                                                    \
    run_f32(args, begin, end, softcap_##name, softmax_##name);                                                       \
    return 0;                                                                                                        \
  }

LEVEL_OF_F32(portable, APUSK_LEVEL_PORTABLE)
#if defined(__x86_64__)
LEVEL_OF_F32(avx2, APUSK_LEVEL_AVX2)
LEVEL_OF_F32(avx512, APUSK_LEVEL_AVX512)
#endif

int32_t apusk_attention_weights_plan(int32_t level, const apusk_attention_weights_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.grain = 1 + 8192 / (args->keys + 32)};
  if (args->element_type != APUSK_FLOAT32 && args->element_type != APUSK_FLOAT64) return 502;
  switch (level) {
    case APUSK_LEVEL_PORTABLE: plan->kernel = weights_portable; break;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2: plan->kernel = weights_avx2; break;
    case APUSK_LEVEL_AVX512: plan->kernel = weights_avx512; break;
#endif
    default: return 100;
  }
  if (args->element_type == APUSK_FLOAT64) plan->kernel = weights_f64;
  plan->units = args->keys == 0 ? 0 : args->batch * args->heads * args->queries;
  return 0;
}
