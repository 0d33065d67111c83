// The operators of ai.onnx.ml on numbers: features, linear models, support vectors, trees, and what becomes of their scores.
#ifndef APUSK_MACHINE_LEARNING_H
#define APUSK_MACHINE_LEARNING_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- features ----------------------------------------------------------------------------------------------------------

#define APUSK_FEATURES_SCALE 0          // (x - a[f]) * b[f]
#define APUSK_FEATURES_BINARIZE 1       // 1 where x > threshold, else 0
#define APUSK_FEATURES_IMPUTE 2         // a[f] where x is `replaced`, or NaN if that is NaN
#define APUSK_FEATURES_NORMALIZE_MAX 3  // x / max(the row's largest |x|, 1e-30)
#define APUSK_FEATURES_NORMALIZE_L1 4   // by the sum of |x|
#define APUSK_FEATURES_NORMALIZE_L2 5   // by the root of the sum of x^2

// Dense [rows, features]; a and b are of the element type, their place f * a_step, f * b_step (0 or 1). output may be input.
// A unit is a row.
typedef struct apusk_features_args {
  const void *input;
  const void *a;
  const void *b;
  void *output;
  int64_t rows;
  int64_t features;
  int32_t a_step;
  int32_t b_step;
  int32_t function;      // APUSK_FEATURES_*
  int32_t element_type;
  double threshold;
  double replaced;            // of floats
  int64_t replaced_integer;   // of integers
} apusk_features_args;

// For float32, float64 and int64; SCALE and NORMALIZE for the floats. Sums along the row.
// Returns 0, 100 for an unknown function, 502 for an element type that has no kernel.
int32_t apusk_features_plan(const apusk_features_args *args, apusk_plan *plan);

// output[i, c] = 1 where input[i] is categories[c], else 0. Where `must_match` is set an element that is none of them stops
// the kernel with fault 600 {operand 0, position, value, lower 0, upper 0}. A unit is an element of the input.
typedef struct apusk_one_hot_categories_args {
  const int64_t *input;
  const int64_t *categories;
  float *output;
  int64_t count;
  int64_t category_count;
  int32_t must_match;
  int32_t reserved;
} apusk_one_hot_categories_args;

void apusk_one_hot_categories_plan(const apusk_one_hot_categories_args *args, apusk_plan *plan);

// ---- scores --------------------------------------------------------------------------------------------------------------

#define APUSK_TRANSFORM_NONE 0
#define APUSK_TRANSFORM_SOFTMAX 1
#define APUSK_TRANSFORM_LOGISTIC 2
#define APUSK_TRANSFORM_SOFTMAX_ZERO 3  // softmax, in which scores of 0 weigh e^-largest times themselves: 0
#define APUSK_TRANSFORM_PROBIT 4        // the normal distribution's quantile, by Winitzki's approximation

#define APUSK_SCORES_AS_THEY_ARE 0
#define APUSK_SCORES_COMPLEMENT 1  // one score s of the second class of two: [1 - s, s]
#define APUSK_SCORES_NEGATED 2     // the same: [-s, s]
#define APUSK_SCORES_THRESHOLD 3   // one class: labels[0] where the transformed score reaches `threshold`, else 0

// From scores [rows, count] the transformed scores [rows, classes] and the label of the largest. A unit is a row.
typedef struct apusk_classify_args {
  const float *scores;
  const int64_t *labels;  // [classes]
  float *output;          // [rows, classes], or NULL
  int64_t *label;         // [rows], or NULL
  int64_t rows;
  int64_t count;
  int64_t classes;
  int32_t form;       // APUSK_SCORES_*
  int32_t transform;  // APUSK_TRANSFORM_*
  float threshold;
  int32_t reserved;
} apusk_classify_args;

// Returns 0, or 100 for an unknown form or transform.
int32_t apusk_classify_plan(const apusk_classify_args *args, apusk_plan *plan);

// y = transform(w x + intercepts) for x [rows, features], w [targets, features], sums along the features, in double precision.
// A unit is a row.
typedef struct apusk_linear_model_args {
  const float *input;
  const float *coefficients;
  const float *intercepts;  // [targets], or NULL
  float *output;            // [rows, targets]
  int64_t rows;
  int64_t features;
  int64_t targets;
  int32_t transform;
  int32_t reserved;
} apusk_linear_model_args;

// Returns 0, or 100 for an unknown transform.
int32_t apusk_linear_model_plan(const apusk_linear_model_args *args, apusk_plan *plan);

// ---- trees ---------------------------------------------------------------------------------------------------------------

#define APUSK_TREE_LEQ 0
#define APUSK_TREE_LT 1
#define APUSK_TREE_GTE 2
#define APUSK_TREE_GT 3
#define APUSK_TREE_EQ 4
#define APUSK_TREE_NEQ 5
#define APUSK_TREE_MEMBER 6

#define APUSK_AGGREGATE_AVERAGE 0
#define APUSK_AGGREGATE_SUM 1
#define APUSK_AGGREGATE_MIN 2
#define APUSK_AGGREGATE_MAX 3

// A branch: to `on_true` where the feature compares so with the split, or is NaN and `nan_is_true` is set. A child is a node,
// or the leaf -1 - child. Members of a set are members[first_member ..< end_member].
typedef struct apusk_tree_node {
  double split;
  int64_t on_true;
  int64_t on_false;
  int64_t first_member;
  int64_t end_member;
  int64_t feature;
  int32_t mode;  // APUSK_TREE_*
  int32_t nan_is_true;
} apusk_tree_node;

// A leaf's weight for a target; leaf l has votes[leaves[l] ..< leaves[l + 1]].
typedef struct apusk_tree_vote {
  double weight;
  int64_t target;
} apusk_tree_vote;

// For each row of [rows, features] the trees' weights, aggregated by target in the order of the trees, in double precision
// (targets without a weight are 0), plus the base values, transformed. The nodes reachable from roots make no cycle and all
// indices are in range. A unit is a row; scratch holds its scores.
typedef struct apusk_trees_args {
  const void *input;
  void *output;  // [rows, targets]
  const apusk_tree_node *nodes;
  const double *members;
  const int64_t *leaves;
  const apusk_tree_vote *votes;
  const int64_t *roots;  // [trees], children
  const double *base;    // [targets], or NULL
  int64_t rows;
  int64_t features;
  int64_t targets;
  int64_t trees;
  int32_t input_type;   // APUSK_FLOAT32 or APUSK_FLOAT64
  int32_t output_type;  // the same two
  int32_t aggregate;    // APUSK_AGGREGATE_*
  int32_t transform;    // APUSK_TRANSFORM_*
} apusk_trees_args;

// Returns 0, 100 for an unknown aggregate or transform, 502 for another type.
int32_t apusk_trees_plan(const apusk_trees_args *args, apusk_plan *plan);

// ---- support vectors -----------------------------------------------------------------------------------------------------

#define APUSK_SVM_LINEAR 0
#define APUSK_SVM_POLY 1     // (gamma x v + coef0)^degree
#define APUSK_SVM_RBF 2      // e^(-gamma |x - v|^2)
#define APUSK_SVM_SIGMOID 3  // tanh(gamma x v + coef0)

// With kernels k[j] of a row and support vector j, in double precision.
// classes 0, a regression: output[0] = rho[0] + sum of coefficients[j] k[j], or its sign (1 or -1) with one_class.
// classes > 1: support vectors stand by class; for each pair a < b of classes a score rho[p] + sum over a's vectors of
// coefficients[b - 1, j] k[j] + sum over b's of coefficients[a, j] k[j], and a vote for a where it is above 0, else for b.
// output is [rows, pairs], or the classes' probabilities [rows, classes] where prob_a is set (Wu, Lin & Weng 2004, the second
// method: pairwise coupling as in LIBSVM). A unit is a row; scratch holds kernels, scores and the matrices of the coupling.
typedef struct apusk_svm_args {
  const float *input;
  const float *vectors;       // [count, features]
  const float *coefficients;  // [count], or [classes - 1, count]
  const float *rho;
  const float *prob_a;        // [pairs], or NULL
  const float *prob_b;
  const int64_t *starts;      // [classes + 1], the first vector of each class
  float *output;
  float *votes;               // [rows, classes], or NULL
  int64_t rows;
  int64_t features;
  int64_t count;
  int64_t classes;
  int32_t kernel;  // APUSK_SVM_*
  int32_t one_class;
  float gamma;
  float coef0;
  float degree;
  int32_t transform;  // of a regression
} apusk_svm_args;

// Returns 0, or 100 for an unknown kernel.
int32_t apusk_svm_plan(const apusk_svm_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
