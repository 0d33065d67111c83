// Shapes and plans of reductions.
#include <stddef.h>

#include "reduce_walk.h"

int32_t apusk_reduce_set_shape(apusk_reduce_args *args, int32_t rank, const int64_t *shape, uint64_t reduced_axes) {
  if (rank < 0 || rank > 64) return 301;
  int32_t count = 0;
  bool last_reduced = false;
  for (int32_t d = 0; d < rank; d++) {
    if (shape[d] == 1) continue;
    bool reduced = reduced_axes >> d & 1;
    if (count > 0 && reduced == last_reduced) {
      args->shape[count - 1] *= shape[d];
      continue;
    }
    if (count == APUSK_MAX_RANK) return 301;
    if (count == 0) args->first_reduced = reduced;
    args->shape[count++] = shape[d];
    last_reduced = reduced;
  }
  if (count == 0) {
    args->first_reduced = 0;
    args->shape[count++] = 1;
  }
  args->rank = count;
  return 0;
}

apusk_reduce_walk apusk_reduce_walk_of(const apusk_reduce_args *args) {
  apusk_reduce_walk walk = {.run = 1, .run_stride = 1, .runs = 1};
  int64_t strides[APUSK_MAX_RANK];
  int64_t stride = 1;
  for (int32_t d = args->rank - 1; d >= 0; d--) {
    strides[d] = stride;
    stride *= args->shape[d];
  }
  for (int32_t d = 0; d < args->rank; d++) {
    bool reduced = (d % 2 == 0) == (args->first_reduced != 0);
    int32_t *rank = reduced ? &walk.reduced_rank : &walk.kept_rank;
    (reduced ? walk.reduced_shape : walk.kept_shape)[*rank] = args->shape[d];
    (reduced ? walk.reduced_strides : walk.kept_strides)[*rank] = strides[d];
    ++*rank;
  }
  if (walk.reduced_rank > 0) {
    walk.run = walk.reduced_shape[walk.reduced_rank - 1];
    walk.run_stride = walk.reduced_strides[walk.reduced_rank - 1];
    for (int32_t d = 0; d < walk.reduced_rank - 1; d++) walk.runs *= walk.reduced_shape[d];
  }
  walk.elements = walk.run * walk.runs;
  return walk;
}

int32_t apusk_reduce_plan(int32_t level, const apusk_reduce_args *args, apusk_plan *plan) {
  const apusk_reduce_level *kernels = NULL;
  switch (level) {
    case APUSK_LEVEL_PORTABLE: kernels = &apusk_reduce_portable; break;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2: kernels = &apusk_reduce_avx2; break;
    case APUSK_LEVEL_AVX512: kernels = &apusk_reduce_avx512; break;
#endif
    default: return 100;
  }
  int32_t function = args->function;
  if (function < APUSK_REDUCE_SUM || function > APUSK_REDUCE_LOG_SUM_EXP) return 100;
  bool has_level = args->element_type == APUSK_FLOAT32 && function <= APUSK_REDUCE_MEAN;
  apusp_kernel kernel = has_level ? kernels->f32[function] : apusk_reduce_typed_kernel(function, args->element_type);
  if (!kernel) return 502;
  apusk_reduce_walk walk = apusk_reduce_walk_of(args);
  int64_t outputs = 1;
  for (int32_t d = 0; d < walk.kept_rank; d++) outputs *= walk.kept_shape[d];
  const int64_t elements_per_grain = 65536, output_overhead = 16;
  if (has_level && outputs > 0 && apusk_reduce_is_by_columns(&walk)) {
    int64_t width = walk.kept_shape[walk.kept_rank - 1];
    *plan = (apusk_plan){
        .kernel = kernel, .units = outputs / width * apusk_reduce_blocks(&walk),
        .grain = 1 + elements_per_grain / 16 / (walk.elements + output_overhead)};
    return 0;
  }
  *plan = (apusk_plan){
      .kernel = kernel, .units = outputs, .grain = 1 + elements_per_grain / (walk.elements + output_overhead)};
  return 0;
}
