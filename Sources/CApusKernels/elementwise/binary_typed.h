// Binary arithmetic of the types other than float32, and what float32 has no versions by level of: one for all levels.
#ifndef APUSK_BINARY_TYPED_H
#define APUSK_BINARY_TYPED_H

#include "../include/apusk_elementwise.h"
#include "broadcast_walk.h"

// The row of a function and element type, or NULL where there is none.
apusk_broadcast_row *apusk_binary_row(int32_t function, int32_t element_type);

// Runs that row over units of the output.
int32_t apusk_binary_kernel(const void *args, int64_t begin, int64_t end, apusp_worker *worker);

// The walk over the operands of an argument block.
apusk_broadcast apusk_binary_broadcast(const apusk_binary_args *args, int64_t operand_bytes, int64_t output_bytes);

#endif
