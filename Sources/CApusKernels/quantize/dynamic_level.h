// What a level brings to quantization by the range found at run time.
#ifndef APUSK_DYNAMIC_LEVEL_H
#define APUSK_DYNAMIC_LEVEL_H

#include "../include/apusk_quantize.h"

// Elements of a unit where there is one row.
#define APUSK_DYNAMIC_PIECE 4096

typedef struct apusk_dynamic_level {
  apusp_kernel range, pieces;  // of one row
  apusp_kernel rows;           // the same for several
} apusk_dynamic_level;

extern const apusk_dynamic_level apusk_dynamic_portable;
#if defined(__x86_64__)
extern const apusk_dynamic_level apusk_dynamic_avx2;
extern const apusk_dynamic_level apusk_dynamic_avx512;
#endif

#endif
