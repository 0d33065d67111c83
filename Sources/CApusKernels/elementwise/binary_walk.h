// The walk of two broadcast operands, row by row; the rows' arithmetic is the caller's.
#ifndef APUSK_BINARY_WALK_H
#define APUSK_BINARY_WALK_H

#include "../include/apusk_elementwise.h"

// output[i] = a[i * a_step] op b[i * b_step] for i in 0 ..< count with steps of 0 or 1, not both 0 where count is above 1.
// Returns -1, or the index of the first divisor that is 0: elements before it may be written.
typedef int64_t apusk_binary_row(void *output, const void *a, int64_t a_step, const void *b, int64_t b_step, int64_t count);

// Elements [begin, end) of the output, begin < end. Returns -1, or the flat index of the first divisor that is 0.
int64_t apusk_binary_walk(
    const apusk_binary_args *args, int64_t begin, int64_t end, int64_t element_bytes, apusk_binary_row *row);

#endif
