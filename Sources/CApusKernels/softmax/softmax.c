#include <stddef.h>

#include "softmax_level.h"

int32_t apusk_softmax_plan(int32_t level, int32_t function, const apusk_softmax_args *args, apusk_plan *plan) {
  const apusk_softmax_level *kernels = NULL;
  switch (level) {
    case APUSK_LEVEL_PORTABLE: kernels = &apusk_softmax_portable; break;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2: kernels = &apusk_softmax_avx2; break;
    case APUSK_LEVEL_AVX512: kernels = &apusk_softmax_avx512; break;
#endif
    default: return 100;
  }
  if (function != APUSK_SOFTMAX && function != APUSK_LOG_SOFTMAX) return 100;
  const int64_t elements_per_grain = 8192, row_overhead = 16;
  *plan = (apusk_plan){
      .kernel = kernels->by_function[function],
      .units = args->n == 0 ? 0 : args->outer * args->inner,
      .grain = 1 + elements_per_grain / (args->n + row_overhead)};
  return 0;
}
