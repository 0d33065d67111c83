// Trilu, EyeLike and Range: results that follow from positions.
#include <string.h>

#include "../include/apusk_element_type.h"
#include "../include/apusk_index.h"

#pragma clang fp contract(off)

static int64_t clamped(int64_t value, int64_t upper) { return value < 0 ? 0 : value > upper ? upper : value; }

// row + k, held to the range of columns before it can overflow.
static int64_t diagonal_column(int64_t row, int64_t k, int64_t columns) {
  if (k > columns) return columns;
  if (k < -row) return -1;
  return row + k;
}

static int32_t trilu(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_trilu_args *args = args_;
  (void)worker;
  int64_t width = args->element_bytes, columns = args->columns;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t diagonal = diagonal_column(unit % args->rows, args->k, columns);
    int64_t from = args->upper ? clamped(diagonal, columns) : 0;
    int64_t to = args->upper ? columns : clamped(diagonal + 1, columns);
    char *output = (char *)args->output + unit * columns * width;
    const char *input = (const char *)args->input + unit * columns * width;
    memset(output, 0, (size_t)(from * width));
    if (output != input) memcpy(output + from * width, input + from * width, (size_t)((to - from) * width));
    memset(output + to * width, 0, (size_t)((columns - to) * width));
  }
  return 0;
}

void apusk_trilu_plan(const apusk_trilu_args *args, apusk_plan *plan) {
  int64_t row = args->columns * args->element_bytes;
  *plan = (apusk_plan){
      .kernel = trilu, .units = row == 0 ? 0 : args->matrices * args->rows, .grain = 1 + 128 * 1024 / (row + 64)};
}

static int32_t eye(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_eye_args *args = args_;
  (void)worker;
  int64_t width = args->element_bytes;
  uint64_t one[2] = {args->low, args->high};
  for (int64_t row = begin; row < end; row++) {
    char *output = (char *)args->output + row * args->columns * width;
    memset(output, 0, (size_t)(args->columns * width));
    int64_t column = diagonal_column(row, args->k, args->columns);
    if (column >= 0 && column < args->columns) memcpy(output + column * width, one, (size_t)width);
  }
  return 0;
}

void apusk_eye_plan(const apusk_eye_args *args, apusk_plan *plan) {
  int64_t row = args->columns * args->element_bytes;
  *plan = (apusk_plan){.kernel = eye, .units = row == 0 ? 0 : args->rows, .grain = 1 + 128 * 1024 / (row + 64)};
}

enum { range_block = 1024 };

static int32_t range(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_range_args *args = args_;
  (void)worker;
  int64_t from = begin * range_block, to = end * range_block;
  if (to > args->count) to = args->count;
  for (int64_t i = from; i < to; i++) {
    uint64_t integer = (uint64_t)args->integer_start + (uint64_t)i * (uint64_t)args->integer_delta;
    switch (args->element_type) {
      case APUSK_FLOAT32: ((float *)args->output)[i] = (float)(args->start + (double)i * args->delta); break;
      case APUSK_FLOAT64: ((double *)args->output)[i] = args->start + (double)i * args->delta; break;
      case APUSK_INT32: ((int32_t *)args->output)[i] = (int32_t)(uint32_t)integer; break;
      default: ((int64_t *)args->output)[i] = (int64_t)integer; break;
    }
  }
  return 0;
}

int32_t apusk_range_plan(const apusk_range_args *args, apusk_plan *plan) {
  switch (args->element_type) {
    case APUSK_FLOAT32: case APUSK_FLOAT64: case APUSK_INT32: case APUSK_INT64: break;
    default: return 502;
  }
  *plan = (apusk_plan){
      .kernel = range, .units = args->count / range_block + (args->count % range_block != 0), .grain = 16};
  return 0;
}
