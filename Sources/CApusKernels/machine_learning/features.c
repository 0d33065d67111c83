#include <math.h>
#include <stdbool.h>

#include "../include/apusk_machine_learning.h"

#pragma clang fp contract(off)

#define IS_FLOAT 1
#define ELEMENT float
#define FEATURES_NAME(name) name##_f32
#include "features_rows.h"
#undef ELEMENT
#undef FEATURES_NAME
#define ELEMENT double
#define FEATURES_NAME(name) name##_f64
#include "features_rows.h"
#undef IS_FLOAT
#undef ELEMENT
#undef FEATURES_NAME
#define IS_FLOAT 0
#define ELEMENT int64_t
#define FEATURES_NAME(name) name##_i64
#include "features_rows.h"

static int32_t features(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  const apusk_features_args *args = args_;
  for (int64_t row = begin; row < end; row++) {
    switch (args->element_type) {
      case APUSK_FLOAT32: row_f32(args, row); break;
      case APUSK_FLOAT64: row_f64(args, row); break;
      default: row_i64(args, row);
    }
  }
  return 0;
}

int32_t apusk_features_plan(const apusk_features_args *args, apusk_plan *plan) {
  if (args->function < APUSK_FEATURES_SCALE || args->function > APUSK_FEATURES_NORMALIZE_L2) return 100;
  bool is_float = args->element_type == APUSK_FLOAT32 || args->element_type == APUSK_FLOAT64;
  bool of_any_type = args->function == APUSK_FEATURES_BINARIZE || args->function == APUSK_FEATURES_IMPUTE;
  if (!is_float && (args->element_type != APUSK_INT64 || !of_any_type)) return 502;
  *plan = (apusk_plan){
      .kernel = features, .units = args->features == 0 ? 0 : args->rows, .grain = 1 + 8192 / (args->features + 1)};
  return 0;
}

static int32_t one_hot(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_one_hot_categories_args *args = args_;
  for (int64_t i = begin; i < end; i++) {
    float *row = args->output + i * args->category_count;
    bool found = false;
    for (int64_t c = 0; c < args->category_count; c++) {
      bool matches = args->input[i] == args->categories[c];
      row[c] = matches;
      found = found || matches;
    }
    if (!found && args->must_match) {
      worker->fault = (apusp_fault){.code = 600, .position = i, .value = args->input[i]};
      return 600;
    }
  }
  return 0;
}

void apusk_one_hot_categories_plan(const apusk_one_hot_categories_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = one_hot, .units = args->count, .grain = 1 + 8192 / (args->category_count + 1)};
}
