// Conversion between element types (ONNX Cast).
//
// - To bool: 1 where the value is not 0 (NaN is not 0). From bool: 0 or 1.
// - Integer to integer: the low bits (modulo 2^width).
// - Floating to integer: truncation toward zero; values beyond the target's range give its nearest bound, NaN gives 0. (ONNX
//   leaves these two undefined; this is the one result of every level.)
//   To int4, uint4, int2 and uint2: the low bits of that number in 64 bits, as from integers.
// - Integer or floating to floating: one rounding to nearest, ties to even; overflow gives infinity, NaN stays NaN.
// - To the 8-bit floating types: overflow, infinity too, gives the largest number with `saturate`, else infinity, or NaN in the
//   types that have no infinity. To float4e2m1: the largest number in any case, and -0 for NaN.
// - To float8e8m0, which has neither sign nor zero: the power of two above, below or nearest to the magnitude (ties go up);
//   what is out of range, 0 too, gives the nearest bound with `saturate`, else NaN.
// - Elements of 4 and 2 bits are packed, low bits first.
#ifndef APUSK_CAST_H
#define APUSK_CAST_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

#define APUSK_ROUND_UP 0
#define APUSK_ROUND_DOWN 1
#define APUSK_ROUND_NEAREST 2

// A unit is one element, or 8 of a packed result. output may be input where the two types have the same width.
typedef struct apusk_cast_args {
  const void *input;
  void *output;
  int64_t count;
  int32_t from;  // any type of apusk_element_type.h
  int32_t to;
  int32_t saturate;    // to 8-bit floating types: whether what is out of range becomes the nearest number
  int32_t round_mode;  // to float8e8m0: APUSK_ROUND_*
} apusk_cast_args;

// Returns 0, 100 for an unknown level, 502 for an element type that isn't among those.
int32_t apusk_cast_plan(int32_t level, const apusk_cast_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
