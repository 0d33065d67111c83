#include <stddef.h>

#include "../cast/float_formats.h"
#include "../include/apusk_element_type.h"
#include "../include/apusk_index.h"

// -1, 0 or 1 as element i is below, equal to or above element j.
typedef int compare(const void *data, int64_t i, int64_t j);

#define COMPARE(name, type)                                          \
  static int name(const void *data, int64_t i, int64_t j) {          \
    type a = ((const type *)data)[i], b = ((const type *)data)[j];   \
    return (a > b) - (a < b);                                        \
  }
// NaN above all, equal to itself.
#define COMPARE_FLOATS(name, type, value)                            \
  static int name(const void *data, int64_t i, int64_t j) {          \
    double a = value(((const type *)data)[i]), b = value(((const type *)data)[j]); \
    int a_is_nan = a != a, b_is_nan = b != b;                        \
    if (a_is_nan || b_is_nan) return a_is_nan - b_is_nan;            \
    return (a > b) - (a < b);                                        \
  }

COMPARE(compare_i8, int8_t)
COMPARE(compare_u8, uint8_t)
COMPARE(compare_i16, int16_t)
COMPARE(compare_u16, uint16_t)
COMPARE(compare_i32, int32_t)
COMPARE(compare_u32, uint32_t)
COMPARE(compare_i64, int64_t)
COMPARE(compare_u64, uint64_t)
COMPARE_FLOATS(compare_f32, float, (double))
COMPARE_FLOATS(compare_f64, double, (double))
COMPARE_FLOATS(compare_f16, uint16_t, double_of_half)
COMPARE_FLOATS(compare_bf16, uint16_t, double_of_bfloat)

static compare *compare_of(int32_t type) {
  switch (type) {
    case APUSK_INT8: return compare_i8;
    case APUSK_BOOL:
    case APUSK_UINT8: return compare_u8;
    case APUSK_INT16: return compare_i16;
    case APUSK_UINT16: return compare_u16;
    case APUSK_INT32: return compare_i32;
    case APUSK_UINT32: return compare_u32;
    case APUSK_INT64: return compare_i64;
    case APUSK_UINT64: return compare_u64;
    case APUSK_FLOAT32: return compare_f32;
    case APUSK_FLOAT64: return compare_f64;
    case APUSK_FLOAT16: return compare_f16;
    case APUSK_BFLOAT16: return compare_bf16;
    default: return NULL;
  }
}

typedef struct slices {
  compare *compare;
  const void *data;
  int64_t outer, count, inner;
} slices;

static int compare_slices(const slices *all, int64_t a, int64_t b) {
  for (int64_t o = 0; o < all->outer; o++) {
    for (int64_t i = 0; i < all->inner; i++) {
      int order = all->compare(
          all->data, (o * all->count + a) * all->inner + i, (o * all->count + b) * all->inner + i);
      if (order) return order;
    }
  }
  return 0;
}

int64_t apusk_unique(
    int32_t element_type, const void *data, int64_t outer, int64_t count, int64_t inner, int64_t *order, int64_t *group,
    int64_t *scratch) {
  slices all = {compare_of(element_type), data, outer, count, inner};
  if (!all.compare) return -1;
  // A merge sort from the bottom up: stable, without recursion.
  int64_t *from = order, *to = scratch;
  for (int64_t i = 0; i < count; i++) from[i] = i;
  for (int64_t width = 1; width < count; width *= 2) {
    for (int64_t begin = 0; begin < count; begin += 2 * width) {
      int64_t middle = begin + width < count ? begin + width : count;
      int64_t end = middle + width < count ? middle + width : count;
      int64_t left = begin, right = middle;
      for (int64_t at = begin; at < end; at++) {
        int takes_left = left < middle && (right >= end || compare_slices(&all, from[left], from[right]) <= 0);
        to[at] = takes_left ? from[left++] : from[right++];
      }
    }
    int64_t *swap = from;
    from = to;
    to = swap;
  }
  if (from != order) {
    for (int64_t i = 0; i < count; i++) order[i] = from[i];
  }
  int64_t classes = 0;
  for (int64_t i = 0; i < count; i++) {
    if (i > 0 && compare_slices(&all, order[i - 1], order[i]) != 0) classes++;
    group[i] = classes;
  }
  return count == 0 ? 0 : classes + 1;
}
