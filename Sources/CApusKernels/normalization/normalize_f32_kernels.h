// Template: rows of float32 normalized as apusk_normalization.h says.
#include "../math/vectors.h"
#include "normalize_level.h"

APUSK_LONG_FUNCTION float sum_of_row(const float *x, int64_t n) {
  f32x16 lanes = splat(0.0f);
  int64_t i = 0;
  for (; i + APUSK_LANES <= n; i += APUSK_LANES) lanes += load16(x + i);
  if (i < n) lanes += load_part(x + i, n - i);
  return sum_of_lanes(lanes);
}

APUSK_LONG_FUNCTION float sum_of_squares(const float *x, int64_t n, float mean) {
  f32x16 lanes = splat(0.0f);
  int64_t i = 0;
  for (; i + APUSK_LANES <= n; i += APUSK_LANES) {
    f32x16 d = load16(x + i) - mean;
    lanes += d * d;
  }
  if (i < n) {
    f32x16 d = replace_rest(load_part(x + i, n - i) - mean, n - i, 0.0f);
    lanes += d * d;
  }
  return sum_of_lanes(lanes);
}

APUSK_LONG_FUNCTION void apply_to_each(
    const float *x, float *y, int64_t n, float mean, float inverse, const float *scale, const float *bias) {
  for (int64_t i = 0; i < n; i += APUSK_LANES) {
    f32x16 v = (load_lanes(x + i, n - i) - mean) * inverse;
    if (scale) v *= load_lanes(scale + i, n - i);
    if (bias) v += load_lanes(bias + i, n - i);
    store_lanes(y + i, v, n - i);
  }
}

APUSK_LONG_FUNCTION void apply_to_run(
    const float *x, float *y, int64_t n, float mean, float inverse, const float *scale, const float *bias) {
  f32x16 factor = splat(scale ? *scale : 1.0f), shift = splat(bias ? *bias : 0.0f);
  for (int64_t i = 0; i < n; i += APUSK_LANES) {
    f32x16 v = (load_lanes(x + i, n - i) - mean) * inverse;
    if (scale) v *= factor;
    if (bias) v += shift;
    store_lanes(y + i, v, n - i);
  }
}

static int32_t normalize_f32(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  const apusk_normalize_args *args = args_;
  int64_t n = args->n, per_group = n / args->run;
  float epsilon = (float)args->epsilon, count = (float)n;
  for (int64_t row = begin; row < end; row++) {
    const float *x = (const float *)args->input + row * n;
    float *y = (float *)args->output + row * n;
    int64_t group = row % args->groups;
    float mean = 0.0f, variance;
    if (args->function == APUSK_NORMALIZE_GIVEN) {
      mean = ((const float *)args->given_mean)[group];
      variance = ((const float *)args->given_variance)[group];
    } else {
      if (args->function != APUSK_NORMALIZE_RMS) mean = sum_of_row(x, n) / count;
      variance = sum_of_squares(x, n, mean) / count;
    }
    float inverse = args->function == APUSK_NORMALIZE_MEAN_VARIANCE ? 1.0f / (sqrtf(variance) + epsilon)
                                                                    : 1.0f / sqrtf(variance + epsilon);
    if (args->mean) ((float *)args->mean)[row] = mean;
    if (args->inverse) ((float *)args->inverse)[row] = inverse;
    if (args->variance) ((float *)args->variance)[row] = variance;
    const float *scale = args->scale, *bias = args->bias;
    if (scale) scale += group * per_group;
    if (bias) bias += group * per_group;
    if (args->run == 1) {
      apply_to_each(x, y, n, mean, inverse, scale, bias);
      continue;
    }
    for (int64_t s = 0; s < per_group; s++) {
      int64_t offset = s * args->run;
      apply_to_run(x + offset, y + offset, args->run, mean, inverse, scale ? scale + s : NULL, bias ? bias + s : NULL);
    }
  }
  return 0;
}

const apusk_normalize_level APUSK_ISA_NAME(apusk_normalize) = {.f32 = normalize_f32};
