// How a reduction's argument block is walked: which elements of the input belong to an output, in which order.
#ifndef APUSK_REDUCE_WALK_H
#define APUSK_REDUCE_WALK_H

#include <stdbool.h>

#include "../include/apusk_reduce.h"

typedef struct apusk_reduce_walk {
  int32_t kept_rank;
  int32_t reduced_rank;
  int64_t kept_shape[APUSK_MAX_RANK];
  int64_t kept_strides[APUSK_MAX_RANK];
  int64_t reduced_shape[APUSK_MAX_RANK];
  int64_t reduced_strides[APUSK_MAX_RANK];
  int64_t run;         // innermost reduced dimension; 1 where nothing is reduced
  int64_t run_stride;
  int64_t runs;        // product of the other reduced dimensions
  int64_t elements;    // run * runs
} apusk_reduce_walk;

apusk_reduce_walk apusk_reduce_walk_of(const apusk_reduce_args *args);

// Offset of the first element of output number `output`.
static inline int64_t apusk_reduce_start(const apusk_reduce_walk *walk, int64_t output) {
  int64_t offset = 0;
  for (int32_t d = walk->kept_rank - 1; d >= 0; d--) {
    offset += output % walk->kept_shape[d] * walk->kept_strides[d];
    output /= walk->kept_shape[d];
  }
  return offset;
}

// Offset of run number `run` from an output's first element.
static inline int64_t apusk_reduce_run_offset(const apusk_reduce_walk *walk, int64_t run) {
  int64_t offset = 0;
  for (int32_t d = walk->reduced_rank - 2; d >= 0; d--) {
    offset += run % walk->reduced_shape[d] * walk->reduced_strides[d];
    run /= walk->reduced_shape[d];
  }
  return offset;
}

// Whether sums of float32 are those of outputs side by side, and into how many blocks of 16 a row of these is cut.
static inline bool apusk_reduce_is_by_columns(const apusk_reduce_walk *walk) {
  return walk->reduced_rank == 0 || walk->run_stride != 1;
}
static inline int64_t apusk_reduce_blocks(const apusk_reduce_walk *walk) {
  int64_t width = walk->kept_shape[walk->kept_rank - 1];
  return width / 16 + (width % 16 != 0);
}

typedef struct apusk_reduce_level {
  apusp_kernel f32[2];  // sum and mean, by function
} apusk_reduce_level;

extern const apusk_reduce_level apusk_reduce_portable;
#if defined(__x86_64__)
extern const apusk_reduce_level apusk_reduce_avx2;
extern const apusk_reduce_level apusk_reduce_avx512;
#endif

// Kernels that are the same for all levels; NULL where there is none.
apusp_kernel apusk_reduce_typed_kernel(int32_t function, int32_t element_type);

#endif
