#include <stddef.h>

#include "pool_level.h"

int32_t apusk_pool_plan(int32_t level, int32_t function, const apusk_pool_args *args, apusk_plan *plan) {
  const apusk_pool_level *kernels = NULL;
  switch (level) {
    case APUSK_LEVEL_PORTABLE: kernels = &apusk_pool_portable; break;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2: kernels = &apusk_pool_avx2; break;
    case APUSK_LEVEL_AVX512: kernels = &apusk_pool_avx512; break;
#endif
    default: return 100;
  }
  if (function != APUSK_POOL_MAX && function != APUSK_POOL_AVERAGE) return 100;
  const int64_t elements_per_grain = 65536, pixel_overhead = 256;
  // Bounds before multiplying: a window may reach far beyond the image, the work in it may not.
  int64_t rows = args->kernel_height < args->input_height ? args->kernel_height : args->input_height;
  int64_t columns = args->kernel_width < args->input_width ? args->kernel_width : args->input_width;
  int64_t window = rows * columns * args->channels;
  *plan = (apusk_plan){
      .kernel = kernels->by_function[function],
      .units = args->channels == 0 ? 0 : args->batch * args->output_height * args->output_width,
      .grain = 1 + elements_per_grain / (window + pixel_overhead)};
  return 0;
}
