#include <string.h>

#include "../include/apusk_index.h"
#include "index_value.h"

static int32_t gather_elements(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_gather_elements_args *args = args_;
  if (begin >= end) return 0;
  int64_t index[APUSK_INDEX_MAX_RANK], rest = begin, base = 0;
  int64_t axis_stride = args->data_strides[args->axis];
  for (int32_t d = args->rank - 1; d >= 0; d--) {
    index[d] = rest % args->shape[d];
    rest /= args->shape[d];
    if (d != args->axis) base += index[d] * args->data_strides[d];
  }
  for (int64_t i = begin; i < end; i++) {
    int64_t at = apusk_checked_index(
        apusk_index_at(args->indices, args->index_bytes, i), args->axis_size, 1, i, worker);
    if (at < 0) return 600;
    int64_t from = base + at * axis_stride;
    switch (args->element_bytes) {
      case 1: ((uint8_t *)args->output)[i] = ((const uint8_t *)args->data)[from]; break;
      case 2: ((uint16_t *)args->output)[i] = ((const uint16_t *)args->data)[from]; break;
      case 4: ((uint32_t *)args->output)[i] = ((const uint32_t *)args->data)[from]; break;
      case 8: ((uint64_t *)args->output)[i] = ((const uint64_t *)args->data)[from]; break;
      default: memcpy((char *)args->output + 16 * i, (const char *)args->data + 16 * from, 16); break;
    }
    for (int32_t d = args->rank - 1; d >= 0; d--) {
      if (d != args->axis) base += args->data_strides[d];
      if (++index[d] < args->shape[d]) break;
      if (d != args->axis) base -= index[d] * args->data_strides[d];
      index[d] = 0;
    }
  }
  return 0;
}

void apusk_gather_elements_plan(const apusk_gather_elements_args *args, apusk_plan *plan) {
  int64_t count = 1;
  for (int32_t d = 0; d < args->rank; d++) count *= args->shape[d];
  *plan = (apusk_plan){.kernel = gather_elements, .units = count, .grain = 8192};
}
