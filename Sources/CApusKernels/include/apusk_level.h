// Instruction set levels, and the plan that a kernel family makes for a step.
#ifndef APUSK_LEVEL_H
#define APUSK_LEVEL_H

#include "apusp_step.h"

#ifdef __cplusplus
extern "C" {
#endif

#define APUSK_LEVEL_PORTABLE 0
#define APUSK_LEVEL_AVX2 1    // AVX2 and FMA
#define APUSK_LEVEL_AVX512 2  // AVX-512 F, BW, DQ, VL (and AVX2, FMA)

// How to run one argument block: what a family's `plan` function answers.
typedef struct apusk_plan {
  apusp_kernel kernel;
  int64_t units;          // all the work; 0 if there is nothing to do
  int64_t grain;          // fewest units worth giving to a thread
  int64_t scratch_bytes;  // what each worker's scratch must hold at least
} apusk_plan;

#ifdef __cplusplus
}
#endif
#endif
