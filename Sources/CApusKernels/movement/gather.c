// Gather along one axis, with every index checked.
#include <string.h>

#include "../include/apusk_movement.h"

static int32_t gather(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_gather_args *args = args_;
  if (begin >= end) return 0;
  int64_t block = args->block_bytes, size = args->axis_size;
  int64_t outer = begin / args->index_count, k = begin % args->index_count;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t value = args->index_bytes == 4 ? ((const int32_t *)args->indices)[k] : ((const int64_t *)args->indices)[k];
    if (value < -size || value >= size) {
      worker->fault = (apusp_fault){
          .code = 600, .operand = 1, .position = k, .value = value, .lower = -size, .upper = size};
      return 600;
    }
    int64_t from = outer * size + (value < 0 ? value + size : value);
    const char *input = (const char *)args->data + from * block;
    char *output = (char *)args->output + unit * block;
    // Single elements are copied by instructions, longer blocks by a call.
    switch (block) {
      case 4: memcpy(output, input, 4); break;
      case 8: memcpy(output, input, 8); break;
      default: memcpy(output, input, (size_t)block); break;
    }
    if (++k == args->index_count) {
      k = 0;
      outer++;
    }
  }
  return 0;
}

void apusk_gather_plan(const apusk_gather_args *args, apusk_plan *plan) {
  const int64_t bytes_per_grain = 128 * 1024, block_overhead = 64;
  *plan = (apusk_plan){
      .kernel = gather,
      .units = args->outer * args->index_count,
      .grain = 1 + bytes_per_grain / (args->block_bytes + block_overhead)};
}
