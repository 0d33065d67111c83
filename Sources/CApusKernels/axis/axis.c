#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "../include/apusk_axis.h"

#pragma clang fp contract(off)

#define IS_FLOAT 1
#define ELEMENT float
#define SUM float
#define AXIS_NAME(name) name##_f32
#include "axis_rows.h"
#undef ELEMENT
#undef SUM
#undef AXIS_NAME
#define ELEMENT double
#define SUM double
#define AXIS_NAME(name) name##_f64
#include "axis_rows.h"
#undef IS_FLOAT
#undef ELEMENT
#undef SUM
#undef AXIS_NAME
#define IS_FLOAT 0
#define ELEMENT int32_t
#define SUM uint32_t
#define AXIS_NAME(name) name##_i32
#include "axis_rows.h"
#undef ELEMENT
#undef SUM
#undef AXIS_NAME
#define ELEMENT int64_t
#define SUM uint64_t
#define AXIS_NAME(name) name##_i64
#include "axis_rows.h"
#undef ELEMENT
#undef AXIS_NAME
#define ELEMENT uint64_t
#define AXIS_NAME(name) name##_u64
#include "axis_rows.h"

static void softmax_f64(const apusk_axis_args *args, int64_t start, int64_t row) {
  (void)row;
  const double *x = (const double *)args->input + start;
  double *y = (double *)args->output + start;
  int64_t step = args->inner;
  double largest = -INFINITY, lanes[16] = {0};
  for (int64_t i = 0; i < args->n; i++) {
    if (x[i * step] > largest) largest = x[i * step];
  }
  for (int64_t i = 0; i < args->n; i++) lanes[i % 16] += exp(x[i * step] - largest);
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
  }
  double log_sum = log(lanes[0]);
  for (int64_t i = 0; i < args->n; i++) {
    double difference = x[i * step] - largest;
    y[i * step] = args->function == APUSK_AXIS_SOFTMAX ? exp(difference) / lanes[0] : difference - log_sum;
  }
}

// What is done to a row: `start` is the offset of its first element, in elements, `row` its number.
typedef void row_function(const apusk_axis_args *args, int64_t start, int64_t row);

typedef struct row_functions {
  row_function *extreme, *cumulate, *hardmax, *lp_normalize, *softmax;
} row_functions;

static const row_functions of_f32 = {extreme_f32, cumulate_f32, hardmax_f32, lp_normalize_f32, NULL};
static const row_functions of_f64 = {extreme_f64, cumulate_f64, hardmax_f64, lp_normalize_f64, softmax_f64};
static const row_functions of_i32 = {extreme_i32, cumulate_i32, NULL, NULL, NULL};
static const row_functions of_i64 = {extreme_i64, cumulate_i64, NULL, NULL, NULL};
static const row_functions of_u64 = {extreme_u64, cumulate_u64, NULL, NULL, NULL};

static row_function *function_of(const apusk_axis_args *args) {
  const row_functions *functions;
  switch (args->element_type) {
    case APUSK_FLOAT32: functions = &of_f32; break;
    case APUSK_FLOAT64: functions = &of_f64; break;
    case APUSK_INT32: functions = &of_i32; break;
    case APUSK_INT64: functions = &of_i64; break;
    case APUSK_UINT64: functions = &of_u64; break;
    default: return NULL;
  }
  switch (args->function) {
    case APUSK_AXIS_ARG_MAX:
    case APUSK_AXIS_ARG_MIN: return functions->extreme;
    case APUSK_AXIS_CUMULATIVE_SUM:
    case APUSK_AXIS_CUMULATIVE_PRODUCT: return functions->cumulate;
    case APUSK_AXIS_HARDMAX: return functions->hardmax;
    case APUSK_AXIS_LP_NORMALIZE: return functions->lp_normalize;
    default: return functions->softmax;
  }
}

static int32_t axis_rows(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  const apusk_axis_args *args = args_;
  row_function *function = function_of(args);
  for (int64_t row = begin; row < end; row++) {
    function(args, row / args->inner * args->n * args->inner + row % args->inner, row);
  }
  return 0;
}

int32_t apusk_axis_plan(const apusk_axis_args *args, apusk_plan *plan) {
  if (args->function < APUSK_AXIS_ARG_MAX || args->function > APUSK_AXIS_LP_NORMALIZE) return 100;
  if (!function_of(args)) return 502;
  const int64_t elements_per_grain = 16384, row_overhead = 16;
  *plan = (apusk_plan){
      .kernel = axis_rows,
      .units = args->n == 0 ? 0 : args->outer * args->inner,
      .grain = 1 + elements_per_grain / (args->n + row_overhead)};
  return 0;
}

static int32_t top_k(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_top_k_args *args = args_;
  for (int64_t row = begin; row < end; row++) {
    int64_t start = row / args->inner * args->n * args->inner + row % args->inner;
    int64_t target = row / args->inner * args->k * args->inner + row % args->inner;
    switch (args->element_type) {
      case APUSK_FLOAT32: top_k_f32(args, start, target, worker->scratch); break;
      case APUSK_FLOAT64: top_k_f64(args, start, target, worker->scratch); break;
      case APUSK_INT32: top_k_i32(args, start, target, worker->scratch); break;
      case APUSK_INT64: top_k_i64(args, start, target, worker->scratch); break;
      default: top_k_u64(args, start, target, worker->scratch);
    }
  }
  return 0;
}

int32_t apusk_top_k_plan(const apusk_top_k_args *args, apusk_plan *plan) {
  switch (args->element_type) {
    case APUSK_FLOAT32:
    case APUSK_FLOAT64:
    case APUSK_INT32:
    case APUSK_INT64:
    case APUSK_UINT64: break;
    default: return 502;
  }
  const int64_t elements_per_grain = 4096;
  *plan = (apusk_plan){
      .kernel = top_k,
      .units = args->k == 0 ? 0 : args->outer * args->inner,
      .grain = 1 + elements_per_grain / (args->n + 1),
      .scratch_bytes = args->k * (int64_t)sizeof(entry_f64)};
  return 0;
}
