// Reductions that are the same for all levels: one walk, and for each element type what it does to rows.
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "reduce_walk.h"

#pragma clang fp contract(off)

typedef void row_function(void *lanes, const void *elements, int64_t count, const void *shift);

// How elements are combined, and what lanes of it begin with.
typedef struct combination {
  row_function *row;
  const void *start;
  size_t lane_bytes;
} combination;

typedef struct reduce_type {
  size_t element_bytes;
  combination sum, max, min, product;
  row_function *squares, *magnitudes, *exponentials;  // added as `sum` adds, exponentials in double precision
  void (*finish)(int32_t function, int64_t n, const void *sums, const void *shift, int64_t count, void *output);
  void (*make_finite)(void *shift, int64_t count);
} reduce_type;

#define ORDER_ONLY 0
#define IS_FLOAT 1
#define LOWEST (-INFINITY)
#define HIGHEST INFINITY
#define ELEMENT float
#define SUM float
#define REDUCE_NAME(name) name##_f32
#include "reduce_rows.h"
#undef ELEMENT
#undef SUM
#undef REDUCE_NAME
#define ELEMENT double
#define SUM double
#define REDUCE_NAME(name) name##_f64
#include "reduce_rows.h"
#undef IS_FLOAT
#undef LOWEST
#undef HIGHEST
#undef ELEMENT
#undef SUM
#undef REDUCE_NAME

#define IS_FLOAT 0
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#define ELEMENT int32_t
#define SUM uint32_t
#define REDUCE_NAME(name) name##_i32
#include "reduce_rows.h"
#undef LOWEST
#undef HIGHEST
#undef ELEMENT
#undef SUM
#undef REDUCE_NAME
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#define ELEMENT int64_t
#define SUM uint64_t
#define REDUCE_NAME(name) name##_i64
#include "reduce_rows.h"
#undef LOWEST
#undef HIGHEST
#undef ELEMENT
#undef SUM
#undef REDUCE_NAME
#define LOWEST 0u
#define HIGHEST UINT64_MAX
#define ELEMENT uint64_t
#define SUM uint64_t
#define REDUCE_NAME(name) name##_u64
#include "reduce_rows.h"
#undef LOWEST
#undef HIGHEST
#undef ELEMENT
#undef SUM
#undef REDUCE_NAME
#undef ORDER_ONLY

// The largest and the smallest alone: the bounds of an empty set are those of the type itself, not of a wider one.
#define ORDER_ONLY 1
#define LOWEST INT8_MIN
#define HIGHEST INT8_MAX
#define ELEMENT int8_t
#define REDUCE_NAME(name) name##_i8
#include "reduce_rows.h"
#undef LOWEST
#undef HIGHEST
#undef ELEMENT
#undef REDUCE_NAME
#define LOWEST 0
#define HIGHEST UINT8_MAX
#define ELEMENT uint8_t
#define REDUCE_NAME(name) name##_u8
#include "reduce_rows.h"
#undef HIGHEST
#undef REDUCE_NAME
#define HIGHEST 1
#define REDUCE_NAME(name) name##_bool
#include "reduce_rows.h"

static const reduce_type *type_of(int32_t element_type) {
  switch (element_type) {
    case APUSK_FLOAT32: return &type_f32;
    case APUSK_FLOAT64: return &type_f64;
    case APUSK_INT32: return &type_i32;
    case APUSK_INT64: return &type_i64;
    case APUSK_UINT64: return &type_u64;
    case APUSK_INT8: return &type_i8;
    case APUSK_UINT8: return &type_u8;
    case APUSK_BOOL: return &type_bool;
    default: return NULL;
  }
}

// Combines the elements of `columns` outputs that lie side by side, or of one whose elements do, in the order of
// apusk_reduce.h: lane j of output c is number j * columns + c of `lanes`, and the result number c.
static void accumulate(
    const apusk_reduce_walk *walk, size_t element_bytes, const char *first, int64_t columns, const combination *combination,
    row_function *row, const void *shift, char *lanes) {
  size_t lane_bytes = combination->lane_bytes;
  for (int64_t j = 0; j < 16 * columns; j++) memcpy(lanes + j * lane_bytes, combination->start, lane_bytes);
  int64_t number = 0;
  for (int64_t run = 0; run < walk->runs && walk->elements > 0; run++) {
    const char *p = first + apusk_reduce_run_offset(walk, run) * (int64_t)element_bytes;
    for (int64_t i = 0; i < walk->run;) {
      int64_t lane = number % 16, count = 1;
      if (walk->run_stride == 1 && columns == 1) {
        count = walk->run - i < 16 - lane ? walk->run - i : 16 - lane;
        // The shift of the one output, which stands at each lane.
        row(lanes + lane * lane_bytes, p + i * element_bytes, count, shift);
      } else {
        row(lanes + lane * columns * lane_bytes, p + i * walk->run_stride * element_bytes, columns, shift);
      }
      i += count;
      number += count;
    }
  }
  for (int64_t half = 8; half > 0; half /= 2) {
    for (int64_t j = 0; j < half; j++) {
      combination->row(
          lanes + j * columns * lane_bytes, lanes + (j + half) * columns * lane_bytes, columns, NULL);
    }
  }
}

static const combination sum_of_doubles = {sum_f64, &zero_f64, sizeof(double)};

static void reduce_columns(
    const apusk_reduce_args *args, const reduce_type *type, const apusk_reduce_walk *walk, const char *first, int64_t columns,
    char *output) {
  _Alignas(64) char lanes[256 * 8], shift[16 * 8];
  const combination *combination = &type->sum;
  row_function *row = type->sum.row;
  switch (args->function) {
    case APUSK_REDUCE_MAX: combination = &type->max, row = combination->row; break;
    case APUSK_REDUCE_MIN: combination = &type->min, row = combination->row; break;
    case APUSK_REDUCE_PROD: combination = &type->product, row = combination->row; break;
    case APUSK_REDUCE_L1: row = type->magnitudes; break;
    case APUSK_REDUCE_L2:
    case APUSK_REDUCE_SUM_SQUARE: row = type->squares; break;
    case APUSK_REDUCE_LOG_SUM_EXP:
      accumulate(walk, type->element_bytes, first, columns, &type->max, type->max.row, NULL, lanes);
      for (int64_t i = 0; i < 16; i++) {
        memcpy(shift + i * type->element_bytes, lanes + (columns == 1 ? 0 : i) * type->element_bytes, type->element_bytes);
      }
      if (walk->elements == 0) memset(shift, 0, sizeof shift);
      type->make_finite(shift, 16);
      combination = &sum_of_doubles, row = type->exponentials;
      break;
    default: break;
  }
  accumulate(walk, type->element_bytes, first, columns, combination, row, shift, lanes);
  if (args->function == APUSK_REDUCE_MAX || args->function == APUSK_REDUCE_MIN) {
    memcpy(output, lanes, columns * type->element_bytes);
  } else {
    type->finish(args->function, walk->elements, lanes, shift, columns, output);
  }
}

static int32_t reduce_typed(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_reduce_args *args = args_;
  const reduce_type *type = type_of(args->element_type);
  apusk_reduce_walk walk = apusk_reduce_walk_of(args);
  bool is_float = args->element_type == APUSK_FLOAT32 || args->element_type == APUSK_FLOAT64;
  if (args->function == APUSK_REDUCE_MEAN && !is_float && begin < end && walk.elements == 0) {
    worker->fault = (apusp_fault){.code = 600, .lower = 1, .upper = INT64_MAX};
    return 600;
  }
  // Either the elements of an output lie side by side in the input, or outputs do, whose columns then share cache lines.
  bool in_columns = walk.kept_rank > 0 && walk.kept_strides[walk.kept_rank - 1] == 1;
  int64_t width = in_columns ? walk.kept_shape[walk.kept_rank - 1] : 1;
  for (int64_t o = begin; o < end;) {
    int64_t columns = width - o % width;
    if (columns > end - o) columns = end - o;
    if (columns > 16) columns = 16;
    int64_t start = walk.elements > 0 ? apusk_reduce_start(&walk, o) : 0;
    reduce_columns(
        args, type, &walk, (const char *)args->input + start * (int64_t)type->element_bytes, columns,
        (char *)args->output + o * (int64_t)type->element_bytes);
    o += columns;
  }
  return 0;
}

apusp_kernel apusk_reduce_typed_kernel(int32_t function, int32_t element_type) {
  const reduce_type *type = type_of(element_type);
  if (!type || (!type->finish && function != APUSK_REDUCE_MAX && function != APUSK_REDUCE_MIN)) return NULL;
  return reduce_typed;
}
