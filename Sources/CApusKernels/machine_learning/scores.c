// Linear models, and labels and scores of classifiers.
#include <math.h>
#include <stddef.h>

#include "../include/apusk_machine_learning.h"
#include "transform.h"

#pragma clang fp contract(off)

static const double pi = 0x1.921fb54442d18p+1, root_of_2 = 0x1.6a09e667f3bcdp+0;

bool apusk_is_transform(int32_t transform) {
  return transform >= APUSK_TRANSFORM_NONE && transform <= APUSK_TRANSFORM_PROBIT;
}

static double logistic(double x) {
  double y = 1 / (1 + exp(-fabs(x)));
  return x < 0 ? 1 - y : y;
}

// The quantile of the normal distribution by an approximation of the inverse error function (Winitzki 2008), a = 0.147.
static double probit(double p) {
  double x = p * 2 - 1, rest = (1 - x) * (1 + x);
  if (rest == 0) return 0;
  double logarithm = log(rest), v = 2 / (pi * 0.147) + 0.5 * logarithm;
  double root = sqrt(sqrt(v * v - logarithm / 0.147) - v);
  return root_of_2 * (x < 0 ? -root : root);
}

void apusk_transform_scores(double *scores, int64_t count, int32_t transform) {
  if (transform == APUSK_TRANSFORM_LOGISTIC || transform == APUSK_TRANSFORM_PROBIT) {
    for (int64_t i = 0; i < count; i++) {
      scores[i] = transform == APUSK_TRANSFORM_LOGISTIC ? logistic(scores[i]) : probit(scores[i]);
    }
  } else if (transform != APUSK_TRANSFORM_NONE) {
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < count; i++) largest = scores[i] > largest ? scores[i] : largest;
    for (int64_t i = 0; i < count; i++) {
      bool is_zero = transform == APUSK_TRANSFORM_SOFTMAX_ZERO && fabs(scores[i]) <= 1e-7;
      scores[i] = is_zero ? scores[i] * exp(-largest) : exp(scores[i] - largest);
      sum += scores[i];
    }
    for (int64_t i = 0; i < count; i++) scores[i] = sum == 0 ? 0.5 : scores[i] / sum;
  }
}

static int32_t classify(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_classify_args *args = args_;
  double *row = worker->scratch;
  for (int64_t r = begin; r < end; r++) {
    const float *scores = args->scores + r * args->count;
    if (args->form == APUSK_SCORES_COMPLEMENT || args->form == APUSK_SCORES_NEGATED) {
      row[1] = scores[0];
      row[0] = args->form == APUSK_SCORES_NEGATED ? -row[1] : 1 - row[1];
    } else {
      for (int64_t c = 0; c < args->classes; c++) row[c] = scores[c];
    }
    int64_t best = 0;
    for (int64_t c = 1; c < args->classes; c++) {
      if (row[c] > row[best]) best = c;
    }
    apusk_transform_scores(row, args->classes, args->transform);
    if (args->label) {
      bool is_label = args->form != APUSK_SCORES_THRESHOLD || row[0] >= (double)args->threshold;
      args->label[r] = is_label ? args->labels[best] : 0;
    }
    if (!args->output) continue;
    for (int64_t c = 0; c < args->classes; c++) args->output[r * args->classes + c] = (float)row[c];
  }
  return 0;
}

int32_t apusk_classify_plan(const apusk_classify_args *args, apusk_plan *plan) {
  if (!apusk_is_transform(args->transform)) return 100;
  if (args->form < APUSK_SCORES_AS_THEY_ARE || args->form > APUSK_SCORES_THRESHOLD) return 100;
  *plan = (apusk_plan){
      .kernel = classify,
      .units = args->rows,
      .grain = 1 + 4096 / (args->classes + 1),
      .scratch_bytes = args->classes * (int64_t)sizeof(double)};
  return 0;
}

static int32_t linear_model(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_linear_model_args *args = args_;
  double *row = worker->scratch;
  for (int64_t r = begin; r < end; r++) {
    const float *x = args->input + r * args->features;
    for (int64_t t = 0; t < args->targets; t++) {
      const float *w = args->coefficients + t * args->features;
      double sum = 0;
      for (int64_t f = 0; f < args->features; f++) sum += (double)x[f] * (double)w[f];
      row[t] = sum + (args->intercepts ? (double)args->intercepts[t] : 0);
    }
    apusk_transform_scores(row, args->targets, args->transform);
    for (int64_t t = 0; t < args->targets; t++) args->output[r * args->targets + t] = (float)row[t];
  }
  return 0;
}

int32_t apusk_linear_model_plan(const apusk_linear_model_args *args, apusk_plan *plan) {
  if (!apusk_is_transform(args->transform)) return 100;
  *plan = (apusk_plan){
      .kernel = linear_model,
      .units = args->rows,
      .grain = 1 + 16384 / (args->features + args->targets + 1),
      .scratch_bytes = args->targets * (int64_t)sizeof(double)};
  return 0;
}
