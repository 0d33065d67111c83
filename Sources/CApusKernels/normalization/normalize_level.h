// What a level brings to the normalization of rows.
#ifndef APUSK_NORMALIZE_LEVEL_H
#define APUSK_NORMALIZE_LEVEL_H

#include "../include/apusk_normalization.h"

typedef struct apusk_normalize_level {
  apusp_kernel f32;
} apusk_normalize_level;

extern const apusk_normalize_level apusk_normalize_portable;
#if defined(__x86_64__)
extern const apusk_normalize_level apusk_normalize_avx2;
extern const apusk_normalize_level apusk_normalize_avx512;
#endif

#endif
