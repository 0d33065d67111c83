// Reading single numbers of a type that is told at run time.
#ifndef APUSK_INDEX_VALUE_H
#define APUSK_INDEX_VALUE_H

#include <stdint.h>

#include "../include/apusk_level.h"

static inline int64_t apusk_index_at(const void *indices, int32_t index_bytes, int64_t position) {
  return index_bytes == 4 ? ((const int32_t *)indices)[position] : ((const int64_t *)indices)[position];
}

// Counts a negative index from the end. Returns -1, and sets the worker's fault, where it is out of range.
static inline int64_t apusk_checked_index(
    int64_t value, int64_t size, int32_t operand, int64_t position, apusp_worker *worker) {
  if (value < -size || value >= size) {
    worker->fault = (apusp_fault){
        .code = 600, .operand = operand, .position = position, .value = value, .lower = -size, .upper = size};
    return -1;
  }
  return value < 0 ? value + size : value;
}

#endif
