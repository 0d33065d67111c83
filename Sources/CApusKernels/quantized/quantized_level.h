// What a level brings to the operators on 8-bit integers.
#ifndef APUSK_QUANTIZED_LEVEL_H
#define APUSK_QUANTIZED_LEVEL_H

#include "../include/apusk_quantized.h"

enum { apusk_quantized_channels = 64 };  // of a group

typedef struct apusk_quantized_level {
  apusp_kernel table;
  apusp_kernel binary;
  apusp_kernel pool;
} apusk_quantized_level;

extern const apusk_quantized_level apusk_quantized_portable;
#if defined(__x86_64__)
extern const apusk_quantized_level apusk_quantized_avx2;
extern const apusk_quantized_level apusk_quantized_avx512;
#endif

#endif
