#include "../include/apusk_block_quantized.h"

#include <stddef.h>

int32_t apusk_block_quantized_portable(const void *args, int64_t begin, int64_t end, apusp_worker *worker);

int32_t apusk_block_quantized_plan(int32_t level, const apusk_block_quantized_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = apusk_block_quantized_portable, .units = args->n};
  if (level < APUSK_LEVEL_PORTABLE || level > APUSK_LEVEL_AVX512 || args->m < 0 || args->n < 0 || args->k < 0 ||
      args->block < 8 || (args->bits != 2 && args->bits != 4 && args->bits != 8) || args->block * args->bits % 8 != 0) {
    return 100;
  }
  if (__builtin_mul_overflow(args->k, (int64_t)sizeof(float), &plan->scratch_bytes)) return 301;
  const double products_per_grain = 40000;
  plan->grain = 1 + (int64_t)(products_per_grain / ((double)(args->m + 1) * (double)(args->k + 8)));
  return 0;
}
