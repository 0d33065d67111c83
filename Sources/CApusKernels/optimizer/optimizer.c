#include <math.h>

#include "../include/apusk_optimizer.h"

#pragma clang fp contract(off)

#define ELEMENT float
#define ROOT sqrtf
#define OPTIMIZER_NAME(name) name##_f32
#include "optimizer_rows.h"
#undef ELEMENT
#undef ROOT
#undef OPTIMIZER_NAME
#define ELEMENT double
#define ROOT sqrt
#define OPTIMIZER_NAME(name) name##_f64
#include "optimizer_rows.h"

// The rate of this update.
static double adjusted_rate(const apusk_optimizer_args *args) {
  double rate = args->rate_type == APUSK_FLOAT32 ? *(const float *)args->rate : *(const double *)args->rate;
  double count = (double)*args->count;
  if (args->function == APUSK_OPTIMIZER_ADAGRAD) return rate / (1 + count * args->decay);
  if (args->function == APUSK_OPTIMIZER_ADAM && count > 0) {
    return rate * sqrt(1 - pow(args->beta, count)) / (1 - pow(args->alpha, count));
  }
  return rate;
}

static int32_t optimizer_step(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  const apusk_optimizer_args *args = args_;
  if (args->element_type == APUSK_FLOAT32) {
    step_f32(args, adjusted_rate(args), begin, end);
  } else {
    step_f64(args, adjusted_rate(args), begin, end);
  }
  return 0;
}

static int is_float(int32_t element_type) { return element_type == APUSK_FLOAT32 || element_type == APUSK_FLOAT64; }

int32_t apusk_optimizer_plan(const apusk_optimizer_args *args, apusk_plan *plan) {
  if (args->function < APUSK_OPTIMIZER_ADAGRAD || args->function > APUSK_OPTIMIZER_NESTEROV) return 100;
  if (!is_float(args->element_type) || !is_float(args->rate_type)) return 502;
  *plan = (apusk_plan){.kernel = optimizer_step, .units = args->elements, .grain = 8192};
  return 0;
}
