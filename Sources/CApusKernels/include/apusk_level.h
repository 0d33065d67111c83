// Instruction set levels, and the plan that a kernel family makes for a step.
//
// Rules of all kernels:
// - A kernel does the units [begin, end) of its work, 0 <= begin <= end <= units. Units are independent: any split among
//   any number of threads gives the same bits.
// - Every level gives the bits of the portable one, except for the sign and payload of NaN results, which are not
//   promised (whether a result is NaN is).
// - Floating point: round to nearest even, subnormal numbers kept, no contraction. The caller sets this mode.
// - Sizes were checked before: products of them fit int64_t. Pointers are aligned for their element type, no more is
//   needed. Where there is nothing to do, nothing is read or written.
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
  int64_t grain;          // units that take about 2.5 us (apusp_step.h)
  int64_t scratch_bytes;  // what each worker's scratch must hold at least
  int64_t phases;         // how often all units are done, with a barrier between (apusp_step.h); 0 is the same as 1
} apusk_plan;

// Most dimensions of a strided argument block, after neighbours that can be walked as one were merged.
#define APUSK_MAX_RANK 8

#ifdef __cplusplus
}
#endif
#endif
