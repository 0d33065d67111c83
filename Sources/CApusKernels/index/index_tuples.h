// Where a tuple of indices points to.
#ifndef APUSK_INDEX_TUPLES_H
#define APUSK_INDEX_TUPLES_H

#include "index_value.h"
#include "../include/apusk_index.h"

// The byte offset of the block that a tuple names, or -1 with the worker's fault set.
static inline int64_t apusk_tuple_offset(const apusk_index_tuples *places, int64_t tuple, apusp_worker *worker) {
  int64_t offset = places->batches == 1 ? 0 : tuple / (places->tuples / places->batches) * places->batch_bytes;
  for (int32_t d = 0; d < places->depth; d++) {
    int64_t position = tuple * places->depth + d;
    int64_t index = apusk_checked_index(places->indices[position], places->sizes[d], 1, position, worker);
    if (index < 0) return -1;
    offset += index * places->strides[d];
  }
  return offset;
}

#endif
