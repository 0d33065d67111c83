// MaxUnpool: elements back to where MaxPool found them.
#include <string.h>

#include "../include/apusk_pool_nd.h"

static int32_t run(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_max_unpool_args *args = args_;
  if (begin >= end) return 0;
  int64_t inferred = 1, elements = 1;
  for (int32_t a = 0; a < args->rank; a++) {
    inferred *= args->inferred[a];
    elements *= args->extents[a];
  }
  memset(args->output, 0, (size_t)(elements * args->element_bytes));
  for (int64_t i = 0; i < args->count; i++) {
    int64_t index = args->indices[i], place = 0, stride = 1;
    if (index < 0 || index >= inferred) {
      worker->fault = (apusp_fault){.code = 600, .operand = 1, .position = i, .value = index, .lower = 0, .upper = inferred};
      return 600;
    }
    for (int32_t a = args->rank - 1; a >= 0; a--) {
      place += index % args->inferred[a] * stride;
      index /= args->inferred[a];
      stride *= args->extents[a];
    }
    memcpy((char *)args->output + place * args->element_bytes, (const char *)args->input + i * args->element_bytes,
           (size_t)args->element_bytes);
  }
  return 0;
}

int32_t apusk_max_unpool_plan(const apusk_max_unpool_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = run, .units = 1, .grain = 1};
  if (args->rank < 1 || args->rank > APUSK_MAX_RANK || args->count < 0 || args->element_bytes < 1) return 100;
  int64_t bytes = args->element_bytes;
  for (int32_t a = 0; a < args->rank; a++) {
    if (args->inferred[a] < 0 || args->inferred[a] > args->extents[a]) return 100;
    if (__builtin_mul_overflow(bytes, args->extents[a], &bytes)) return 301;
  }
  return 0;
}
