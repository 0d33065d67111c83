// The plans of operators on 8-bit integers.
#include <stddef.h>

#include "quantized_level.h"

// Elements worth giving to a thread: some 10 us of work each.
enum { table_grain = 16384, binary_grain = 65536, pool_grain = 131072, table_block = 4096 };

static const apusk_quantized_level *level_for(int32_t level) {
  switch (level) {
    case APUSK_LEVEL_PORTABLE: return &apusk_quantized_portable;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2: return &apusk_quantized_avx2;
    case APUSK_LEVEL_AVX512: return &apusk_quantized_avx512;
#endif
    default: return NULL;
  }
}

void apusk_byte_table_set_dense(apusk_byte_table_args *args, int64_t bytes) {
  args->bytes = bytes;
  args->block = args->input_row_bytes = args->output_row_bytes = table_block;
  args->rows = bytes / table_block + (bytes % table_block != 0);
}

int32_t apusk_byte_table_plan(int32_t level, const apusk_byte_table_args *args, apusk_plan *plan) {
  const apusk_quantized_level *kernels = level_for(level);
  if (!kernels) return 100;
  *plan = (apusk_plan){.kernel = kernels->table, .units = args->rows, .grain = 1 + table_grain / (args->block + 1)};
  return 0;
}

int32_t apusk_quantized_binary_plan(int32_t level, const apusk_quantized_binary_args *args, apusk_plan *plan) {
  const apusk_quantized_level *kernels = level_for(level);
  if (!kernels) return 100;
  int64_t count = 1;
  for (int32_t d = 0; d < args->shape.rank; d++) count *= args->shape.shape[d];
  *plan = (apusk_plan){.kernel = kernels->binary, .units = count, .grain = binary_grain};
  return 0;
}

int32_t apusk_quantized_pool_plan(int32_t level, apusk_quantized_pool_args *args, apusk_plan *plan) {
  const apusk_quantized_level *kernels = level_for(level);
  if (!kernels || (args->function != APUSK_POOL_MAX && args->function != APUSK_POOL_AVERAGE)) return 100;
  const apusk_pool_args *shape = &args->window;
  const int64_t pixel_overhead = 512;
  int64_t pixels = shape->batch * shape->output_height * shape->output_width;
  args->groups = pixels < 16 ? (shape->channels + apusk_quantized_channels - 1) / apusk_quantized_channels : 1;
  // Bounds before multiplying: a window may reach far beyond the image, the work in it may not.
  int64_t rows = shape->kernel_height < shape->input_height ? shape->kernel_height : shape->input_height;
  int64_t columns = shape->kernel_width < shape->input_width ? shape->kernel_width : shape->input_width;
  int64_t channels = args->groups > 1 ? apusk_quantized_channels : shape->channels;
  *plan = (apusk_plan){
      .kernel = kernels->pool,
      .units = shape->channels == 0 ? 0 : pixels * args->groups,
      .grain = 1 + pool_grain / (rows * columns * channels + pixel_overhead)};
  return 0;
}
