// Conversion between element types (ONNX Cast).
//
// - To bool: 1 where the value is not 0 (NaN is not 0). From bool: 0 or 1.
// - Integer to integer: the low bits (modulo 2^width).
// - Floating to integer: truncation toward zero; values beyond the target's range give its nearest bound, NaN gives 0. (ONNX
//   leaves these two undefined; this is the one result of every level.)
// - Integer or floating to floating: one rounding to nearest, ties to even; overflow gives infinity, NaN stays NaN.
#ifndef APUSK_CAST_H
#define APUSK_CAST_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// A unit is one element. output may be input where the two types have the same width.
typedef struct apusk_cast_args {
  const void *input;
  void *output;
  int64_t count;
  int32_t from;  // APUSK_FLOAT32 ... APUSK_BFLOAT16
  int32_t to;
} apusk_cast_args;

// Returns 0, 100 for an unknown level, 502 for an element type that isn't among those.
int32_t apusk_cast_plan(int32_t level, const apusk_cast_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
