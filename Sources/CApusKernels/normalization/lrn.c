// Local response normalization, and the running averages of BatchNormalization in training.
#include <math.h>

#include "../include/apusk_normalization.h"

#pragma clang fp contract(off)

#define LRN_BLOCK 64

#define ELEMENT float
#define ROOT sqrtf
#define NORMALIZATION_NAME(name) name##_f32
#include "lrn_rows.h"
#undef ELEMENT
#undef ROOT
#undef NORMALIZATION_NAME
#define ELEMENT double
#define ROOT sqrt
#define NORMALIZATION_NAME(name) name##_f64
#include "lrn_rows.h"

static int32_t lrn(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  const apusk_lrn_args *args = args_;
  for (int64_t row = begin; row < end; row++) {
    if (args->element_type == APUSK_FLOAT32) {
      lrn_f32(args, row);
    } else {
      lrn_f64(args, row);
    }
  }
  return 0;
}

int32_t apusk_lrn_plan(const apusk_lrn_args *args, apusk_plan *plan) {
  if (args->element_type != APUSK_FLOAT32 && args->element_type != APUSK_FLOAT64) return 502;
  const int64_t elements_per_grain = 2048;
  *plan = (apusk_plan){
      .kernel = lrn,
      .units = args->inner == 0 ? 0 : args->outer * args->channels,
      .grain = 1 + elements_per_grain / (args->inner + 1)};
  return 0;
}

static int32_t running_average(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  const apusk_running_average_args *args = args_;
  for (int64_t i = begin; i < end; i++) {
    if (args->element_type == APUSK_FLOAT32) {
      running_average_f32(args, i);
    } else {
      running_average_f64(args, i);
    }
  }
  return 0;
}

int32_t apusk_running_average_plan(const apusk_running_average_args *args, apusk_plan *plan) {
  if (args->element_type != APUSK_FLOAT32 && args->element_type != APUSK_FLOAT64) return 502;
  *plan = (apusk_plan){.kernel = running_average, .units = args->count, .grain = 16384};
  return 0;
}
