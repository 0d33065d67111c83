// The plans of the elementwise family.
#include <stddef.h>

#include "../movement/merge_dimensions.h"
#include "binary_typed.h"
#include "elementwise_level.h"

// Elements worth giving to a thread: some 10 us of work each.
enum { cheap_grain = 32768, division_grain = 16384, transcendental_grain = 8192 };

const apusk_elementwise_level *apusk_elementwise_level_for(int32_t level) {
  switch (level) {
    case APUSK_LEVEL_PORTABLE: return &apusk_elementwise_portable;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2: return &apusk_elementwise_avx2;
    case APUSK_LEVEL_AVX512: return &apusk_elementwise_avx512;
#endif
    default: return NULL;
  }
}

static int64_t grain_with(int32_t activation, int64_t grain) {
  int transcendental = activation == APUSK_ACTIVATION_SIGMOID || activation == APUSK_ACTIVATION_TANH;
  return transcendental ? transcendental_grain : grain;
}

int32_t apusk_unary_plan(int32_t level, int32_t function, const apusk_unary_args *args, apusk_plan *plan) {
  const apusk_elementwise_level *kernels = apusk_elementwise_level_for(level);
  if (!kernels || function < 1 || function >= APUSK_UNARY_COUNT) return 100;
  int64_t grain = grain_with(function, cheap_grain);
  if (function == APUSK_UNARY_EXP || function == APUSK_UNARY_LOG) grain = transcendental_grain;
  if (function == APUSK_UNARY_SQRT) grain = division_grain;
  *plan = (apusk_plan){.kernel = kernels->unary[function], .units = args->count, .grain = grain};
  return 0;
}

int32_t apusk_binary_set_shapes(
    apusk_binary_args *args, int32_t a_rank, const int64_t *a_shape, int32_t b_rank, const int64_t *b_shape) {
  if (a_rank < 0 || b_rank < 0 || a_rank > APUSK_MERGE_MAX_RANK || b_rank > APUSK_MERGE_MAX_RANK) return 301;
  int32_t rank = a_rank > b_rank ? a_rank : b_rank;
  int64_t shape[APUSK_MERGE_MAX_RANK], a_strides[APUSK_MERGE_MAX_RANK], b_strides[APUSK_MERGE_MAX_RANK];
  for (int32_t d = 0; d < rank; d++) {
    int32_t in_a = d - (rank - a_rank), in_b = d - (rank - b_rank);
    int64_t a = in_a >= 0 ? a_shape[in_a] : 1, b = in_b >= 0 ? b_shape[in_b] : 1;
    if (a != b && a != 1 && b != 1) return 106;
    shape[d] = a == 1 ? b : a;
  }
  apusk_broadcast_strides(a_rank, a_shape, rank, a_strides);
  apusk_broadcast_strides(b_rank, b_shape, rank, b_strides);
  const int64_t *const sources[2] = {a_strides, b_strides};
  int64_t *const merged[2] = {args->a_strides, args->b_strides};
  return apusk_merge_dimensions(rank, shape, 2, sources, &args->rank, args->shape, merged);
}

int32_t apusk_binary_plan(
    int32_t level, int32_t function, int32_t element_type, const apusk_binary_args *args, apusk_plan *plan) {
  const apusk_elementwise_level *kernels = apusk_elementwise_level_for(level);
  if (!kernels || function < 0 || function >= APUSK_BINARY_COUNT) return 100;
  apusp_kernel kernel = element_type == APUSK_FLOAT32 ? kernels->binary_f32[function]
                                                      : apusk_binary_typed_kernel(function, element_type);
  if (!kernel) return 502;
  int64_t units = 1;
  for (int32_t d = 0; d < args->rank; d++) units *= args->shape[d];
  int64_t grain = function == APUSK_BINARY_DIV ? division_grain : cheap_grain;
  *plan = (apusk_plan){.kernel = kernel, .units = units, .grain = grain_with(args->activation, grain)};
  return 0;
}

int32_t apusk_affine_plan(int32_t level, const apusk_affine_args *args, apusk_plan *plan) {
  const apusk_elementwise_level *kernels = apusk_elementwise_level_for(level);
  if (!kernels || args->activation < APUSK_ACTIVATION_NONE || args->activation > APUSK_ACTIVATION_CLIP) return 100;
  *plan = (apusk_plan){
      .kernel = kernels->affine_f32,
      .units = args->outer * args->channels * args->inner,
      .grain = grain_with(args->activation, cheap_grain)};
  return 0;
}
