// Linear algebra on small square matrices.
#ifndef APUSK_LINALG_H
#define APUSK_LINALG_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// output[b] = the determinant of input[b], n x n, by elimination with partial pivoting in float64. An empty matrix has 1.
// A unit is a matrix.
typedef struct apusk_determinant_args {
  const void *input;
  void *output;
  int64_t matrices, n;
  int32_t element_type;  // float32 or float64
  int32_t reserved;
} apusk_determinant_args;

// Returns 0, 301 for an overflow, 502 for another element type.
int32_t apusk_determinant_plan(const apusk_determinant_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
