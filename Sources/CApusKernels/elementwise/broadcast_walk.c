#include "broadcast_walk.h"

#include "../movement/merge_dimensions.h"

int64_t apusk_broadcast_walk(const apusk_broadcast *broadcast, int64_t begin, int64_t end, apusk_broadcast_row *row) {
  int32_t last = broadcast->rank - 1, operands = broadcast->operands;
  const int64_t *shape = broadcast->shape;
  int64_t length = shape[last], column = begin % length, rest = begin / length;
  int64_t index[APUSK_MAX_RANK] = {0};
  int64_t start[apusk_most_operands] = {0}, steps[apusk_most_operands] = {0};
  for (int32_t k = 0; k < operands; k++) steps[k] = broadcast->strides[k][last];
  for (int32_t d = last - 1; d >= 0; d--) {
    index[d] = rest % shape[d];
    rest /= shape[d];
    for (int32_t k = 0; k < operands; k++) start[k] += index[d] * broadcast->strides[k][d];
  }
  for (int64_t i = begin; i < end;) {
    int64_t count = length - column < end - i ? length - column : end - i;
    const void *elements[apusk_most_operands];
    // A vector of these would wait for what was just stored one by one.
#pragma clang loop vectorize(disable)
    for (int32_t k = 0; k < operands; k++) {
      elements[k] = (const char *)broadcast->base[k] + (start[k] + column * steps[k]) * broadcast->bytes[k];
    }
    int64_t failed = row((char *)broadcast->output + i * broadcast->output_bytes, elements, steps, count);
    if (failed >= 0) return i + failed;
    i += count;
    column = 0;
    for (int32_t d = last - 1; d >= 0; d--) {
      index[d]++;
      for (int32_t k = 0; k < operands; k++) start[k] += broadcast->strides[k][d];
      if (index[d] < shape[d]) break;
      for (int32_t k = 0; k < operands; k++) start[k] -= index[d] * broadcast->strides[k][d];
      index[d] = 0;
    }
  }
  return -1;
}

int32_t apusk_broadcast_shapes(
    int32_t operands, const int32_t *ranks, const int64_t *const *shapes, int32_t *rank, int64_t *shape,
    int64_t *const *strides) {
  int32_t full = 0;
  for (int32_t k = 0; k < operands; k++) {
    if (ranks[k] < 0 || ranks[k] > APUSK_MERGE_MAX_RANK) return 301;
    if (ranks[k] > full) full = ranks[k];
  }
  int64_t joint[APUSK_MERGE_MAX_RANK], full_strides[apusk_most_operands][APUSK_MERGE_MAX_RANK];
  for (int32_t d = 0; d < full; d++) {
    joint[d] = 1;
    for (int32_t k = 0; k < operands; k++) {
      int32_t own = d - (full - ranks[k]);
      int64_t extent = own >= 0 ? shapes[k][own] : 1;
      if (extent == 1) continue;
      if (joint[d] != 1 && joint[d] != extent) return 106;
      joint[d] = extent;
    }
  }
  const int64_t *sources[apusk_most_operands];
  for (int32_t k = 0; k < operands; k++) {
    apusk_broadcast_strides(ranks[k], shapes[k], full, full_strides[k]);
    sources[k] = full_strides[k];
  }
  return apusk_merge_dimensions(full, joint, operands, sources, rank, shape, strides);
}
