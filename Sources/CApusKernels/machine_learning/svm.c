#include <math.h>
#include <stddef.h>

#include "../include/apusk_machine_learning.h"
#include "transform.h"

#pragma clang fp contract(off)

static double kernel_of(const apusk_svm_args *args, const float *x, const float *v) {
  double sum = 0;
  for (int64_t f = 0; f < args->features; f++) {
    double difference = (double)x[f] - (double)v[f];
    sum += args->kernel == APUSK_SVM_RBF ? difference * difference : (double)x[f] * (double)v[f];
  }
  switch (args->kernel) {
    case APUSK_SVM_POLY: return pow((double)args->gamma * sum + (double)args->coef0, (double)args->degree);
    case APUSK_SVM_RBF: return exp(-(double)args->gamma * sum);
    case APUSK_SVM_SIGMOID: return tanh((double)args->gamma * sum + (double)args->coef0);
    default: return sum;
  }
}

// The classes' probabilities from those r[a, b] that a beats b: those that solve the linear equations of the method.
static void couple(int64_t k, const double *r, double *q, double *qp, double *p) {
  for (int64_t t = 0; t < k; t++) {
    p[t] = 1.0 / (double)k;
    double sum = 0;
    for (int64_t j = 0; j < k; j++) {
      if (j == t) continue;
      sum += r[j * k + t] * r[j * k + t];
      q[t * k + j] = -r[j * k + t] * r[t * k + j];
    }
    q[t * k + t] = sum;
  }
  int64_t rounds = k > 100 ? k : 100;
  for (int64_t round = 0; round < rounds; round++) {
    double pqp = 0, error = 0;
    for (int64_t t = 0; t < k; t++) {
      qp[t] = 0;
      for (int64_t j = 0; j < k; j++) qp[t] += q[t * k + j] * p[j];
      pqp += p[t] * qp[t];
    }
    for (int64_t t = 0; t < k; t++) error = fmax(error, fabs(qp[t] - pqp));
    if (error < 0.005 / (double)k) break;
    for (int64_t t = 0; t < k; t++) {
      double step = (pqp - qp[t]) / q[t * k + t];
      p[t] += step;
      pqp = (pqp + step * (step * q[t * k + t] + 2 * qp[t])) / (1 + step) / (1 + step);
      for (int64_t j = 0; j < k; j++) {
        qp[j] = (qp[j] + step * q[t * k + j]) / (1 + step);
        p[j] /= 1 + step;
      }
    }
  }
}

static double pair_probability(double score, double a, double b) {
  double x = score * a + b;
  double y = 1 / (1 + exp(-fabs(x)));
  double p = 1 - (x < 0 ? 1 - y : y);
  return fmin(fmax(p, 1e-7), 1 - 1e-7);
}

static void classify_row(const apusk_svm_args *args, int64_t row, const double *k, double *scratch) {
  int64_t classes = args->classes, pairs = classes * (classes - 1) / 2, pair = 0;
  double *r = scratch, *q = r + classes * classes, *qp = q + classes * classes, *p = qp + classes;
  float *votes = args->votes ? args->votes + row * classes : NULL;
  if (votes) {
    for (int64_t c = 0; c < classes; c++) votes[c] = 0;
  }
  for (int64_t a = 0; a < classes; a++) {
    for (int64_t b = a + 1; b < classes; b++, pair++) {
      double score = args->rho[pair];
      for (int64_t j = args->starts[a]; j < args->starts[a + 1]; j++) {
        score += (double)args->coefficients[(b - 1) * args->count + j] * k[j];
      }
      for (int64_t j = args->starts[b]; j < args->starts[b + 1]; j++) {
        score += (double)args->coefficients[a * args->count + j] * k[j];
      }
      if (votes) votes[score > 0 ? a : b] += 1;
      if (args->prob_a) {
        double won = pair_probability(score, (double)args->prob_a[pair], (double)args->prob_b[pair]);
        r[a * classes + b] = won;
        r[b * classes + a] = 1 - won;
      } else {
        args->output[row * pairs + pair] = (float)score;
      }
    }
  }
  if (!args->prob_a) return;
  couple(classes, r, q, qp, p);
  for (int64_t c = 0; c < classes; c++) args->output[row * classes + c] = (float)p[c];
}

static int32_t svm(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_svm_args *args = args_;
  double *kernels = worker->scratch;
  for (int64_t row = begin; row < end; row++) {
    const float *x = args->input + row * args->features;
    for (int64_t j = 0; j < args->count; j++) kernels[j] = kernel_of(args, x, args->vectors + j * args->features);
    if (args->classes > 1) {
      classify_row(args, row, kernels, kernels + args->count);
      continue;
    }
    double sum = 0;
    for (int64_t j = 0; j < args->count; j++) sum += (double)args->coefficients[j] * kernels[j];
    sum += args->rho[0];
    if (args->one_class) {
      args->output[row] = sum > 0 ? 1 : -1;
      continue;
    }
    apusk_transform_scores(&sum, 1, args->transform);
    args->output[row] = (float)sum;
  }
  return 0;
}

int32_t apusk_svm_plan(const apusk_svm_args *args, apusk_plan *plan) {
  if (args->kernel < APUSK_SVM_LINEAR || args->kernel > APUSK_SVM_SIGMOID || !apusk_is_transform(args->transform)) return 100;
  int64_t doubles = args->count + 2 * args->classes * args->classes + 2 * args->classes;
  *plan = (apusk_plan){
      .kernel = svm,
      .units = args->rows,
      .grain = 1 + 16384 / (args->count * (args->features + 1) + 1),
      .scratch_bytes = doubles * (int64_t)sizeof(double)};
  return 0;
}
