// What a level brings to pooling.
#ifndef APUSK_POOL_LEVEL_H
#define APUSK_POOL_LEVEL_H

#include "../include/apusk_pool.h"

typedef struct apusk_pool_level {
  apusp_kernel by_function[2];
} apusk_pool_level;

extern const apusk_pool_level apusk_pool_portable;
#if defined(__x86_64__)
extern const apusk_pool_level apusk_pool_avx2;
extern const apusk_pool_level apusk_pool_avx512;
#endif

#endif
