// Normalizations: of rows by their own mean and deviation (Layer-, RMS-, Group-, Instance-, MeanVarianceNormalization,
// BatchNormalization in training), by given statistics (BatchNormalization), and across channels (LRN).
#ifndef APUSK_NORMALIZATION_H
#define APUSK_NORMALIZATION_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// y = (x - mean) * (1 / sqrt(variance + epsilon)), mean and (population) variance of the row
#define APUSK_NORMALIZE_LAYER 0
// y = x * (1 / sqrt(mean of x^2 + epsilon))
#define APUSK_NORMALIZE_RMS 1
// y = (x - mean) * (1 / (sqrt(variance) + epsilon))
#define APUSK_NORMALIZE_MEAN_VARIANCE 2
// as LAYER, with the mean and variance of the row's group that are given
#define APUSK_NORMALIZE_GIVEN 3

// Dense [rows, n]; then y = y * scale[s] + bias[s] for element j of row r, with s = r % groups * (n / run) + j / run:
// run 1 and groups 1 is one scale for each element of a row, run n and groups C one for each row of a group of C rows.
// output may be input. A unit is a row. Sums in the order of apusk_reduce.h; the variance is the mean of (x - mean)^2.
typedef struct apusk_normalize_args {
  const void *input;
  const void *scale;           // may be NULL: 1
  const void *bias;            // may be NULL: 0
  const void *given_mean;      // [groups], of APUSK_NORMALIZE_GIVEN alone
  const void *given_variance;  // [groups]
  void *output;
  void *mean;     // [rows]; each of the three may be NULL
  void *inverse;  // [rows], what x - mean is multiplied by
  void *variance; // [rows]
  int32_t function;      // APUSK_NORMALIZE_*
  int32_t element_type;  // of all operands
  int64_t rows;
  int64_t n;
  int64_t run;     // divides n
  int64_t groups;  // divides rows
  double epsilon;  // rounded to the element type
} apusk_normalize_args;

// For float32 and float64. Returns 0, 100 for an unknown function or level, 502 for another element type.
int32_t apusk_normalize_plan(int32_t level, const apusk_normalize_args *args, apusk_plan *plan);

// y[o, c, i] = x[o, c, i] / (bias + alpha / size * s)^beta over dense [outer, channels, inner], s the sum of x^2 over the
// channels c - (size - 1) / 2 ... c + size / 2 that exist, in ascending order. A unit is one (o, c).
typedef struct apusk_lrn_args {
  const void *input;
  void *output;
  int64_t outer;
  int64_t channels;
  int64_t inner;
  int64_t size;
  double alpha;
  double beta;
  double bias;
  int32_t element_type;
} apusk_lrn_args;

// For float32 and float64. The power is made of square roots for beta 1/2 and 3/4, else the C library's, in double precision.
// Returns 0, or 502 for another element type.
int32_t apusk_lrn_plan(const apusk_lrn_args *args, apusk_plan *plan);

// output[i] = old[i] * momentum + current[i] * (1 - momentum), in the element type.
typedef struct apusk_running_average_args {
  const void *old;
  const void *current;
  void *output;
  int64_t count;
  double momentum;
  int32_t element_type;
} apusk_running_average_args;

// For float32 and float64. Returns 0, or 502 for another element type.
int32_t apusk_running_average_plan(const apusk_running_average_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
