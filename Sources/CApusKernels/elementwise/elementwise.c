// The plans of the elementwise family.
#include <stddef.h>

#include "binary_typed.h"
#include "elementwise_level.h"
#include "unary_wide.h"

// Elements worth giving to a thread: some 10 us of work each.
enum { cheap_grain = 32768, division_grain = 16384, transcendental_grain = 8192, wide_grain = 1024 };

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
  int transcendental = activation == APUSK_ACTIVATION_SIGMOID || activation == APUSK_ACTIVATION_TANH ||
                       activation == APUSK_ACTIVATION_SWISH || activation == APUSK_ACTIVATION_GELU;
  return transcendental ? transcendental_grain : grain;
}

static int64_t float_grain(int32_t function) {
  switch (function) {
    case APUSK_UNARY_SQRT:
    case APUSK_UNARY_RECIPROCAL:
    case APUSK_UNARY_SOFTSIGN: return division_grain;
    case APUSK_UNARY_SIGMOID:
    case APUSK_UNARY_TANH:
    case APUSK_UNARY_EXP:
    case APUSK_UNARY_LOG:
    case APUSK_UNARY_ERF:
    case APUSK_UNARY_GELU:
    case APUSK_UNARY_GELU_TANH:
    case APUSK_UNARY_SWISH:
    case APUSK_UNARY_MISH:
    case APUSK_UNARY_SOFTPLUS:
    case APUSK_UNARY_ELU: return transcendental_grain;
    default: return cheap_grain;
  }
}

int32_t apusk_unary_plan(
    int32_t level, int32_t function, int32_t element_type, apusk_unary_args *args, apusk_plan *plan) {
  const apusk_elementwise_level *kernels = apusk_elementwise_level_for(level);
  if (!kernels || function < 1 || function >= APUSK_UNARY_COUNT) return 100;
  args->function = function;
  args->element_type = element_type;
  *plan = (apusk_plan){.units = args->count, .grain = cheap_grain};
  if (element_type == APUSK_FLOAT32 && function <= APUSK_UNARY_SHRINK) {
    plan->kernel = kernels->unary_f32[function];
    plan->grain = float_grain(function);
    return 0;
  }
  if (!apusk_unary_wide_has(function, element_type)) return 502;
  plan->kernel = apusk_unary_wide_kernel;
  plan->grain = wide_grain;
  return 0;
}

int32_t apusk_binary_set_shapes(
    apusk_binary_args *args, int32_t a_rank, const int64_t *a_shape, int32_t b_rank, const int64_t *b_shape) {
  const int32_t ranks[2] = {a_rank, b_rank};
  const int64_t *const shapes[2] = {a_shape, b_shape};
  int64_t *const strides[2] = {args->a_strides, args->b_strides};
  return apusk_broadcast_shapes(2, ranks, shapes, &args->rank, args->shape, strides);
}

int32_t apusk_binary_plan(
    int32_t level, int32_t function, int32_t element_type, apusk_binary_args *args, apusk_plan *plan) {
  const apusk_elementwise_level *kernels = apusk_elementwise_level_for(level);
  if (!kernels || function < 0 || function >= APUSK_BINARY_COUNT) return 100;
  args->function = function;
  args->element_type = element_type;
  int64_t grain = cheap_grain;
  if (function == APUSK_BINARY_DIV) grain = division_grain;
  if (function >= APUSK_BINARY_POW && function <= APUSK_BINARY_FMOD) grain = wide_grain;
  *plan = (apusk_plan){.units = 1, .grain = grain_with(args->activation, grain)};
  for (int32_t d = 0; d < args->rank; d++) plan->units *= args->shape[d];
  if (element_type == APUSK_FLOAT32 && function <= APUSK_BINARY_DIV) {
    plan->kernel = kernels->binary_f32[function];
    return 0;
  }
  if (!apusk_binary_row(function, element_type)) return 502;
  plan->kernel = apusk_binary_kernel;
  return 0;
}

int32_t apusk_affine_plan(int32_t level, const apusk_affine_args *args, apusk_plan *plan) {
  const apusk_elementwise_level *kernels = apusk_elementwise_level_for(level);
  if (!kernels || args->activation < APUSK_ACTIVATION_NONE || args->activation >= APUSK_ACTIVATION_COUNT) return 100;
  *plan = (apusk_plan){
      .kernel = kernels->affine_f32,
      .units = args->outer * args->channels * args->inner,
      .grain = grain_with(args->activation, cheap_grain)};
  return 0;
}
