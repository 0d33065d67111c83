#include "dynamic_level.h"

#include <stddef.h>

int32_t apusk_dynamic_quantize_plan(
    int32_t level, const apusk_dynamic_quantize_args *args, apusk_plan *range, apusk_plan *quantize) {
  const apusk_dynamic_level *kernels = NULL;
  if (level == APUSK_LEVEL_PORTABLE) kernels = &apusk_dynamic_portable;
#if defined(__x86_64__)
  if (level == APUSK_LEVEL_AVX2) kernels = &apusk_dynamic_avx2;
  if (level == APUSK_LEVEL_AVX512) kernels = &apusk_dynamic_avx512;
#endif
  if (!kernels || args->rows < 0 || args->columns < 0) return 100;
  const int64_t pieces = args->columns / APUSK_DYNAMIC_PIECE + (args->columns % APUSK_DYNAMIC_PIECE != 0);
  *range = (apusk_plan){.kernel = kernels->range, .units = args->rows == 1, .grain = 1};
  if (args->rows == 1) {
    *quantize = (apusk_plan){.kernel = kernels->pieces, .units = pieces, .grain = 4};
  } else {
    *quantize = (apusk_plan){.kernel = kernels->rows, .units = args->rows, .grain = 1 + 16384 / (args->columns + 1)};
  }
  return 0;
}
