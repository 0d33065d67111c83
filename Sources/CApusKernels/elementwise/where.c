// Selection between two broadcast operands, by width.
#include <stddef.h>

#include "broadcast_walk.h"

enum { elements_per_grain = 32768 };

typedef struct bytes16 {
  uint64_t halves[2];
} bytes16;

#define WHERE_ROW(name, type)                                                                                  \
  static int64_t name(void *output_, const void *const *operands, const int64_t *steps, int64_t count) {       \
    type *output = output_;                                                                                    \
    const uint8_t *condition = operands[0];                                                                    \
    const type *x = operands[1], *y = operands[2];                                                             \
    for (int64_t i = 0; i < count; i++) {                                                                      \
      output[i] = condition[i * steps[0]] ? x[i * steps[1]] : y[i * steps[2]];                                 \
    }                                                                                                          \
    return -1;                                                                                                 \
  }

WHERE_ROW(where_8, uint8_t)
WHERE_ROW(where_16, uint16_t)
WHERE_ROW(where_32, uint32_t)
WHERE_ROW(where_64, uint64_t)
WHERE_ROW(where_128, bytes16)

static apusk_broadcast_row *row_of(int64_t element_bytes) {
  switch (element_bytes) {
    case 1: return where_8;
    case 2: return where_16;
    case 4: return where_32;
    case 8: return where_64;
    case 16: return where_128;
    default: return NULL;
  }
}

static int32_t where(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_where_args *args = args_;
  (void)worker;
  if (begin >= end) return 0;
  apusk_broadcast broadcast = {
      .rank = args->rank,
      .operands = 3,
      .shape = args->shape,
      .base = {args->condition, args->x, args->y},
      .strides = {args->condition_strides, args->x_strides, args->y_strides},
      .bytes = {1, args->element_bytes, args->element_bytes},
      .output = args->output,
      .output_bytes = args->element_bytes};
  apusk_broadcast_walk(&broadcast, begin, end, row_of(args->element_bytes));
  return 0;
}

int32_t apusk_where_set_shapes(
    apusk_where_args *args, int32_t condition_rank, const int64_t *condition_shape, int32_t x_rank, const int64_t *x_shape,
    int32_t y_rank, const int64_t *y_shape) {
  const int32_t ranks[3] = {condition_rank, x_rank, y_rank};
  const int64_t *const shapes[3] = {condition_shape, x_shape, y_shape};
  int64_t *const strides[3] = {args->condition_strides, args->x_strides, args->y_strides};
  return apusk_broadcast_shapes(3, ranks, shapes, &args->rank, args->shape, strides);
}

int32_t apusk_where_plan(int32_t level, const apusk_where_args *args, apusk_plan *plan) {
  if (level < APUSK_LEVEL_PORTABLE || level > APUSK_LEVEL_AVX512) return 100;
  if (!row_of(args->element_bytes)) return 502;
  int64_t units = 1;
  for (int32_t d = 0; d < args->rank; d++) units *= args->shape[d];
  *plan = (apusk_plan){.kernel = where, .units = units, .grain = elements_per_grain};
  return 0;
}
