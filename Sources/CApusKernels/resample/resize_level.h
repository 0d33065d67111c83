// What a level brings to Resize: the types that are hot in image pipelines.
#ifndef APUSK_RESIZE_LEVEL_H
#define APUSK_RESIZE_LEVEL_H

#include "../include/apusk_resample.h"

typedef struct apusk_resize_level {
  apusp_kernel float32;
  apusp_kernel uint8;
  apusp_kernel int8;
} apusk_resize_level;

extern const apusk_resize_level apusk_resize_portable;
#if defined(__x86_64__)
extern const apusk_resize_level apusk_resize_avx2;
extern const apusk_resize_level apusk_resize_avx512;
#endif

#endif
