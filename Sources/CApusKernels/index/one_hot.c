#include <string.h>

#include "../cast/float_formats.h"
#include "../include/apusk_element_type.h"
#include "../include/apusk_index.h"

// The number at `position` as an integer, or INT64_MIN, which is never in range, where it is none.
static int64_t integer_at(const void *data, int32_t type, int64_t position) {
  double value;
  switch (type) {
    case APUSK_BOOL:
    case APUSK_UINT8: return ((const uint8_t *)data)[position];
    case APUSK_INT8: return ((const int8_t *)data)[position];
    case APUSK_UINT16: return ((const uint16_t *)data)[position];
    case APUSK_INT16: return ((const int16_t *)data)[position];
    case APUSK_INT32: return ((const int32_t *)data)[position];
    case APUSK_UINT32: return ((const uint32_t *)data)[position];
    case APUSK_INT64: return ((const int64_t *)data)[position];
    case APUSK_UINT64: {
      uint64_t bits = ((const uint64_t *)data)[position];
      return bits > INT64_MAX ? INT64_MIN : (int64_t)bits;
    }
    case APUSK_FLOAT32: value = ((const float *)data)[position]; break;
    case APUSK_FLOAT64: value = ((const double *)data)[position]; break;
    case APUSK_FLOAT16: value = double_of_half(((const uint16_t *)data)[position]); break;
    default: value = double_of_bfloat(((const uint16_t *)data)[position]); break;
  }
  if (!(value > -0x1p62 && value < 0x1p62) || (double)(int64_t)value != value) return INT64_MIN;
  return (int64_t)value;
}

static int32_t one_hot(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_one_hot_args *args = args_;
  (void)worker;
  size_t width = (size_t)args->element_bytes;
  const char *off = args->values, *on = off + width;
  for (int64_t o = begin; o < end; o++) {
    char *output = (char *)args->output + (size_t)(o * args->depth * args->inner) * width;
    for (int64_t i = 0; i < args->depth * args->inner; i++) memcpy(output + (size_t)i * width, off, width);
    for (int64_t i = 0; i < args->inner; i++) {
      int64_t index = integer_at(args->indices, args->index_type, o * args->inner + i);
      if (index < -args->depth || index >= args->depth) continue;
      if (index < 0) index += args->depth;
      memcpy(output + (size_t)(index * args->inner + i) * width, on, width);
    }
  }
  return 0;
}

int32_t apusk_one_hot_plan(const apusk_one_hot_args *args, apusk_plan *plan) {
  switch (args->index_type) {
    case APUSK_BOOL: case APUSK_UINT8: case APUSK_INT8: case APUSK_UINT16: case APUSK_INT16: case APUSK_INT32:
    case APUSK_UINT32: case APUSK_INT64: case APUSK_UINT64: case APUSK_FLOAT32: case APUSK_FLOAT64: case APUSK_FLOAT16:
    case APUSK_BFLOAT16: break;
    default: return 502;
  }
  int64_t row = args->depth * args->inner;
  *plan = (apusk_plan){.kernel = one_hot, .units = row == 0 ? 0 : args->outer, .grain = 1 + 32768 / (row + 1)};
  return 0;
}
