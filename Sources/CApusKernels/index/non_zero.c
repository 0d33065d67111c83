#include <stddef.h>

#include "../include/apusk_element_type.h"
#include "../include/apusk_index.h"

// An element is zero where the bits of its mask are: the sign of a float does not count.
typedef struct zero_test {
  int32_t bytes;
  uint64_t mask;
} zero_test;

static zero_test test_of(int32_t type) {
  switch (type) {
    case APUSK_UINT8: case APUSK_INT8: case APUSK_BOOL: return (zero_test){1, 0xff};
    case APUSK_UINT16: case APUSK_INT16: return (zero_test){2, 0xffff};
    case APUSK_FLOAT16: case APUSK_BFLOAT16: return (zero_test){2, 0x7fff};
    case APUSK_UINT32: case APUSK_INT32: return (zero_test){4, 0xffffffff};
    case APUSK_FLOAT32: return (zero_test){4, 0x7fffffff};
    case APUSK_UINT64: case APUSK_INT64: return (zero_test){8, UINT64_MAX};
    case APUSK_FLOAT64: return (zero_test){8, INT64_MAX};
    case APUSK_COMPLEX64: return (zero_test){8, 0x7fffffff7fffffff};
    case APUSK_COMPLEX128: return (zero_test){16, INT64_MAX};
    default: return (zero_test){0, 0};
  }
}

static int is_set(zero_test test, const void *data, int64_t i) {
  switch (test.bytes) {
    case 1: return ((const uint8_t *)data)[i] != 0;
    case 2: return (((const uint16_t *)data)[i] & test.mask) != 0;
    case 4: return (((const uint32_t *)data)[i] & test.mask) != 0;
    case 8: return (((const uint64_t *)data)[i] & test.mask) != 0;
    default: return ((((const uint64_t *)data)[2 * i] | ((const uint64_t *)data)[2 * i + 1]) & test.mask) != 0;
  }
}

int64_t apusk_count_non_zero(int32_t element_type, const void *data, int64_t count) {
  zero_test test = test_of(element_type);
  if (test.bytes == 0) return -1;
  int64_t found = 0;
  for (int64_t i = 0; i < count; i++) found += is_set(test, data, i);
  return found;
}

int64_t apusk_non_zero(
    int32_t element_type, const void *data, int32_t rank, const int64_t *shape, int64_t found, int64_t *indices) {
  zero_test test = test_of(element_type);
  if (test.bytes == 0) return -1;
  int64_t count = 1, at = 0;
  for (int32_t d = 0; d < rank; d++) count *= shape[d];
  for (int64_t i = 0; i < count && at < found; i++) {
    if (!is_set(test, data, i)) continue;
    int64_t rest = i;
    for (int32_t d = rank - 1; d >= 0; d--) {
      indices[d * found + at] = rest % shape[d];
      rest /= shape[d];
    }
    at++;
  }
  return at;
}
