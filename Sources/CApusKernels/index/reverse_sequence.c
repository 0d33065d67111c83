#include <string.h>

#include "../include/apusk_index.h"

static int32_t reverse_sequence(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_reverse_sequence_args *args = args_;
  int64_t times = args->time_axis == 0 ? args->rows : args->columns;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t row = unit / args->columns, column = unit % args->columns;
    int64_t time = args->time_axis == 0 ? row : column, batch = args->time_axis == 0 ? column : row;
    int64_t length = args->lengths[batch];
    if (length < 0 || length > times) {
      worker->fault = (apusp_fault){
          .code = 600, .operand = 1, .position = batch, .value = length, .lower = 0, .upper = times + 1};
      return 600;
    }
    int64_t from = time < length ? length - 1 - time : time;
    int64_t source = args->time_axis == 0 ? from * args->columns + column : row * args->columns + from;
    memcpy(
        (char *)args->output + unit * args->block_bytes, (const char *)args->input + source * args->block_bytes,
        (size_t)args->block_bytes);
  }
  return 0;
}

void apusk_reverse_sequence_plan(const apusk_reverse_sequence_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){
      .kernel = reverse_sequence,
      .units = args->block_bytes == 0 ? 0 : args->rows * args->columns,
      .grain = 1 + 128 * 1024 / (args->block_bytes + 64)};
}
