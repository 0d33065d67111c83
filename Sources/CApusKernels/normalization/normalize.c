#include <math.h>
#include <stddef.h>

#include "normalize_level.h"

#pragma clang fp contract(off)

static double sum_in_lanes(const double *x, int64_t n, double mean, int square) {
  double lanes[16] = {0};
  for (int64_t i = 0; i < n; i++) {
    double d = x[i] - mean;
    lanes[i % 16] += square ? d * d : d;
  }
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

static int32_t normalize_f64(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  const apusk_normalize_args *args = args_;
  int64_t n = args->n, per_group = n / args->run;
  const double *scale = args->scale, *bias = args->bias;
  for (int64_t row = begin; row < end; row++) {
    const double *x = (const double *)args->input + row * n;
    double *y = (double *)args->output + row * n;
    int64_t group = row % args->groups;
    double mean = 0, variance;
    if (args->function == APUSK_NORMALIZE_GIVEN) {
      mean = ((const double *)args->given_mean)[group];
      variance = ((const double *)args->given_variance)[group];
    } else {
      if (args->function != APUSK_NORMALIZE_RMS) mean = sum_in_lanes(x, n, 0, 0) / (double)n;
      variance = sum_in_lanes(x, n, mean, 1) / (double)n;
    }
    double inverse = args->function == APUSK_NORMALIZE_MEAN_VARIANCE ? 1 / (sqrt(variance) + args->epsilon)
                                                                     : 1 / sqrt(variance + args->epsilon);
    if (args->mean) ((double *)args->mean)[row] = mean;
    if (args->inverse) ((double *)args->inverse)[row] = inverse;
    if (args->variance) ((double *)args->variance)[row] = variance;
    for (int64_t j = 0; j < n; j++) {
      int64_t s = group * per_group + j / args->run;
      double v = (x[j] - mean) * inverse;
      if (scale) v *= scale[s];
      if (bias) v += bias[s];
      y[j] = v;
    }
  }
  return 0;
}

int32_t apusk_normalize_plan(int32_t level, const apusk_normalize_args *args, apusk_plan *plan) {
  const apusk_normalize_level *kernels = NULL;
  switch (level) {
    case APUSK_LEVEL_PORTABLE: kernels = &apusk_normalize_portable; break;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2: kernels = &apusk_normalize_avx2; break;
    case APUSK_LEVEL_AVX512: kernels = &apusk_normalize_avx512; break;
#endif
    default: return 100;
  }
  if (args->function < APUSK_NORMALIZE_LAYER || args->function > APUSK_NORMALIZE_GIVEN) return 100;
  if (args->element_type != APUSK_FLOAT32 && args->element_type != APUSK_FLOAT64) return 502;
  const int64_t elements_per_grain = 16384, row_overhead = 16;
  *plan = (apusk_plan){
      .kernel = args->element_type == APUSK_FLOAT32 ? kernels->f32 : normalize_f64,
      .units = args->rows,
      .grain = 1 + elements_per_grain / (args->n + row_overhead)};
  return 0;
}
