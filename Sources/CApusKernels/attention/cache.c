// Caches of keys and values whose items have their own lengths; see apusk_attention.h.
#include <stddef.h>
#include <string.h>

#include "../include/apusk_attention.h"

static int32_t cache_positions(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_cache_positions_args *args = args_;
  for (int64_t item = begin; item < end; item++) {
    int64_t total = (int64_t)args->lengths[item] + 1;
    int64_t start = total > args->tokens ? total - args->tokens : 0;
    if (total < 0 || start + args->tokens > args->capacity) {
      worker->fault = (apusp_fault){.code = 600, .operand = 5, .position = item, .value = total - 1, .lower = -1,
                                    .upper = args->capacity};
      return 600;
    }
    args->starts[item] = start;
    args->valid[item] = total;
    for (int64_t t = 0; t < args->tokens; t++) args->positions[item * args->tokens + t] = start + t;
  }
  return 0;
}

int32_t apusk_cache_positions_plan(const apusk_cache_positions_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = cache_positions, .units = args->batch, .grain = 1 + 4096 / (args->tokens + 1)};
  return 0;
}

static int32_t cache_append(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_cache_append_args *args = args_;
  (void)worker;
  int64_t bytes = args->row_bytes;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t item = unit / args->heads, head = unit % args->heads, start = args->starts[item];
    int64_t kept = args->past && start > args->past_rows ? args->past_rows : args->past ? start : 0;
    char *present = (char *)args->present + unit * args->capacity * bytes;
    const char *rows = (const char *)args->rows + item * args->batch_stride + head * args->head_stride;
    if (kept > 0) memcpy(present, (const char *)args->past + unit * args->past_rows * bytes, (size_t)(kept * bytes));
    memset(present + kept * bytes, 0, (size_t)((args->capacity - kept) * bytes));
    for (int64_t t = 0; t < args->tokens; t++) {
      memcpy(present + (start + t) * bytes, rows + t * args->row_stride, (size_t)bytes);
    }
  }
  return 0;
}

int32_t apusk_cache_append_plan(const apusk_cache_append_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = cache_append, .units = args->batch * args->heads};
  plan->grain = 1 + (int64_t)(131072.0 / ((double)args->capacity * (double)args->row_bytes + 64.0));
  return 0;
}
