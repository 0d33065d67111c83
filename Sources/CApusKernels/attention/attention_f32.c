// Attention as a step: its units, and which rows and keys each has.
#include <stddef.h>

#include "attention_level.h"

static const apusk_attention_level *level_for(int32_t level) {
  switch (level) {
    case APUSK_LEVEL_PORTABLE: return &apusk_attention_portable;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2: return &apusk_attention_avx2;
    case APUSK_LEVEL_AVX512: return &apusk_attention_avx512;
#endif
    default: return NULL;
  }
}

static int64_t divide_up(int64_t a, int64_t b) { return a / b + (a % b != 0); }

static int64_t rows_of(const apusk_attention_f32_args *args) { return args->group * args->queries; }

int32_t apusk_attention_f32_plan(int32_t level, const apusk_attention_f32_args *args, apusk_plan *plan) {
  const apusk_attention_level *kernels = level_for(level);
  *plan = (apusk_plan){.grain = 1};
  if (!kernels) return 100;
  plan->kernel = kernels->kernel;
  int64_t rows = rows_of(args), blocks = divide_up(rows, APUSK_ATTENTION_ROWS);
  if (__builtin_mul_overflow(args->batch * args->heads, args->value_size == 0 ? 0 : blocks, &plan->units)) return 301;
  // Queries, outputs; scores; largest, sum and factor.
  int64_t lanes = rows < APUSK_ATTENTION_ROWS ? rows : APUSK_ATTENTION_ROWS;
  lanes = (lanes + 15) & ~(int64_t)15;
  if (__builtin_mul_overflow(args->size + args->value_size + APUSK_ATTENTION_KEYS + 3, lanes * (int64_t)sizeof(float),
                             &plan->scratch_bytes)) {
    return 301;
  }
  // Exponentials are worth about 16 products each.
  double products = (double)lanes * (double)args->keys * (double)(args->size + args->value_size + 16);
  plan->grain = 1 + (int64_t)(2.5 * (double)kernels->multiplies_per_us / (products + 1.0));
  return 0;
}

static apusk_attention_rows rows_from(const apusk_attention_f32_args *args, int64_t item, int64_t head, int64_t first) {
  int64_t left = rows_of(args) - first;
  apusk_attention_rows rows = {
      .args = args, .k = args->k + item * args->k_batch + head * args->k_head,
      .v = args->v + item * args->v_batch + head * args->v_head,
      .count = left < APUSK_ATTENTION_ROWS ? left : APUSK_ATTENTION_ROWS, .all = {.first = args->keys, .end = 0},
      .shared = {.first = 0, .end = args->keys},
      .one_mask = 1,
  };
  for (int64_t i = 0; i < rows.count; i++) {
    int64_t query = (first + i) % args->queries, query_head = head * args->group + (first + i) / args->queries;
    rows.q[i] = args->q + item * args->q_batch + query_head * args->q_head + query * args->q_row;
    rows.output[i] = args->output + item * args->output_batch + query_head * args->output_head + query * args->output_row;
    // The row of the output is written when all keys are done; by then the row of the next unit is wanted.
    for (int64_t j = 0; j < args->value_size; j += 16) __builtin_prefetch(rows.output[i] + j, 0, 2);
    const float *next = rows.q[i] + APUSK_ATTENTION_ROWS * args->q_row;
    for (int64_t j = 0; j < args->size; j += 16) __builtin_prefetch(next + j, 0, 2);
    rows.mask[i] = apusk_attention_mask_row(&args->mask, item, query_head, query);
    if (rows.mask[i] != rows.mask[0]) rows.one_mask = 0;
    rows.range[i] = apusk_attention_range(&args->mask, item, query, args->keys);
    if (rows.range[i].first < rows.all.first) rows.all.first = rows.range[i].first;
    if (rows.range[i].end > rows.all.end) rows.all.end = rows.range[i].end;
    if (rows.range[i].first > rows.shared.first) rows.shared.first = rows.range[i].first;
    if (rows.range[i].end < rows.shared.end) rows.shared.end = rows.range[i].end;
  }
  return rows;
}

int32_t apusk_attention_f32_run(const apusk_attention_level *level, const apusk_attention_f32_args *args, int64_t begin,
                                int64_t end, apusp_worker *worker) {
  int64_t blocks = divide_up(rows_of(args), APUSK_ATTENTION_ROWS);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t matrix = unit / blocks;
    apusk_attention_rows rows =
        rows_from(args, matrix / args->heads, matrix % args->heads, unit % blocks * APUSK_ATTENTION_ROWS);
    (rows_of(args) <= APUSK_ATTENTION_NARROW ? level->narrow : level->wide)(&rows, worker->scratch);
  }
  return 0;
}
