// What a level brings to the elementwise family.
#ifndef APUSK_ELEMENTWISE_LEVEL_H
#define APUSK_ELEMENTWISE_LEVEL_H

#include "../include/apusk_elementwise.h"

typedef struct apusk_elementwise_level {
  apusp_kernel unary_f32[APUSK_UNARY_SHRINK + 1];
  apusp_kernel binary_f32[APUSK_BINARY_DIV + 1];
  apusp_kernel affine_f32;
} apusk_elementwise_level;

extern const apusk_elementwise_level apusk_elementwise_portable;
#if defined(__x86_64__)
extern const apusk_elementwise_level apusk_elementwise_avx2;
extern const apusk_elementwise_level apusk_elementwise_avx512;
#endif

// NULL for an unknown level.
const apusk_elementwise_level *apusk_elementwise_level_for(int32_t level);

#endif
