#include <string.h>

#include "index_tuples.h"

static int32_t gather_nd(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_gather_nd_args *args = args_;
  int64_t block = args->places.block_bytes;
  for (int64_t tuple = begin; tuple < end; tuple++) {
    int64_t offset = apusk_tuple_offset(&args->places, tuple, worker);
    if (offset < 0) return 600;
    memcpy((char *)args->output + tuple * block, (const char *)args->data + offset, (size_t)block);
  }
  return 0;
}

void apusk_gather_nd_plan(const apusk_gather_nd_args *args, apusk_plan *plan) {
  const int64_t bytes_per_grain = 128 * 1024, block_overhead = 64;
  *plan = (apusk_plan){
      .kernel = gather_nd,
      .units = args->places.block_bytes == 0 ? 0 : args->places.tuples,
      .grain = 1 + bytes_per_grain / (args->places.block_bytes + block_overhead)};
}
