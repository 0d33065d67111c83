// Determinants; see apusk_linalg.h.
#include "../include/apusk_linalg.h"

#include <math.h>
#include <stddef.h>

#pragma clang fp contract(off)

// Destroys `a`.
static double determinant_of(double *a, int64_t n) {
  double result = 1;
  for (int64_t column = 0; column < n; column++) {
    int64_t pivot = column;
    for (int64_t row = column + 1; row < n; row++) {
      if (fabs(a[row * n + column]) > fabs(a[pivot * n + column])) pivot = row;
    }
    double value = a[pivot * n + column];
    result *= value;
    if (value == 0) return 0;
    if (pivot != column) {
      result = -result;
      for (int64_t j = column; j < n; j++) {
        double swapped = a[pivot * n + j];
        a[pivot * n + j] = a[column * n + j];
        a[column * n + j] = swapped;
      }
    }
    for (int64_t row = column + 1; row < n; row++) {
      double factor = a[row * n + column] / value;
      for (int64_t j = column + 1; j < n; j++) a[row * n + j] -= factor * a[column * n + j];
    }
  }
  return result;
}

static int32_t determinant(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_determinant_args *args = args_;
  int64_t count = args->n * args->n;
  double *a = worker->scratch;
  for (int64_t unit = begin; unit < end; unit++) {
    if (args->element_type == APUSK_FLOAT32) {
      for (int64_t i = 0; i < count; i++) a[i] = ((const float *)args->input)[unit * count + i];
      ((float *)args->output)[unit] = (float)determinant_of(a, args->n);
    } else {
      for (int64_t i = 0; i < count; i++) a[i] = ((const double *)args->input)[unit * count + i];
      ((double *)args->output)[unit] = determinant_of(a, args->n);
    }
  }
  return 0;
}

int32_t apusk_determinant_plan(const apusk_determinant_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = determinant, .units = args->matrices};
  plan->grain = 1 + (int64_t)(20000.0 / ((double)args->n * (double)args->n * (double)args->n + 8.0));
  if (args->element_type != APUSK_FLOAT32 && args->element_type != APUSK_FLOAT64) return 502;
  int64_t bytes;
  if (__builtin_mul_overflow(args->n, args->n, &bytes) ||
      __builtin_mul_overflow(bytes, (int64_t)sizeof(double), &bytes)) {
    return 301;
  }
  plan->scratch_bytes = bytes;
  return 0;
}
