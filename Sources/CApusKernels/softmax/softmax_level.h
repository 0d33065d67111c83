// What a level brings to softmax.
#ifndef APUSK_SOFTMAX_LEVEL_H
#define APUSK_SOFTMAX_LEVEL_H

#include "../include/apusk_softmax.h"

typedef struct apusk_softmax_level {
  apusp_kernel by_function[2];
} apusk_softmax_level;

extern const apusk_softmax_level apusk_softmax_portable;
#if defined(__x86_64__)
extern const apusk_softmax_level apusk_softmax_avx2;
extern const apusk_softmax_level apusk_softmax_avx512;
#endif

#endif
