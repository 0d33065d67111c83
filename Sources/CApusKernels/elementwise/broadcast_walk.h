// The walk of broadcast operands, row by row; what a row does is the caller's.
#ifndef APUSK_BROADCAST_WALK_H
#define APUSK_BROADCAST_WALK_H

#include "../include/apusk_elementwise.h"

enum { apusk_most_operands = 3 };

// Does output[i] from operands[k][i * steps[k]], i in 0 ..< count, with steps of 0 or 1 (some 1 where count is above 1).
// Returns -1, or the index of the first element that has no result: elements before it may be written.
typedef int64_t apusk_broadcast_row(void *output, const void *const *operands, const int64_t *steps, int64_t count);

// Operands with strides in elements over `rank` dimensions, and a dense output.
typedef struct apusk_broadcast {
  int32_t rank;
  int32_t operands;
  const int64_t *shape;
  const void *base[apusk_most_operands];
  const int64_t *strides[apusk_most_operands];
  int64_t bytes[apusk_most_operands];  // of an operand's element
  void *output;
  int64_t output_bytes;
} apusk_broadcast;

// Elements [begin, end) of the output, begin < end. Returns -1, or the flat index of the first element that has no result.
int64_t apusk_broadcast_walk(const apusk_broadcast *broadcast, int64_t begin, int64_t end, apusk_broadcast_row *row);

// ONNX's multidirectional broadcasting of dense tensors, dimensions merged: rank, shape and each operand's strides.
// Returns 0, 106 if they don't broadcast, 301 if more than 8 dimensions remain or a rank is above 64.
int32_t apusk_broadcast_shapes(
    int32_t operands, const int32_t *ranks, const int64_t *const *shapes, int32_t *rank, int64_t *shape,
    int64_t *const *strides);

#endif
