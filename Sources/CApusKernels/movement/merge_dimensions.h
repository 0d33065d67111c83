// Fewer dimensions for the same walk: what the argument blocks of strided kernels hold.
#ifndef APUSK_MERGE_DIMENSIONS_H
#define APUSK_MERGE_DIMENSIONS_H

#include "../include/apusk_level.h"

// Longest shape that is looked at.
#define APUSK_MERGE_MAX_RANK 64

// Drops dimensions of 1 and joins neighbours that every operand walks in one stride. At least one dimension remains; a shape
// with a 0 becomes [0]. Returns 0, or 301 if rank is above 64 or more than APUSK_MAX_RANK dimensions remain.
int32_t apusk_merge_dimensions(
    int32_t rank, const int64_t *shape, int32_t operands, const int64_t *const *strides, int32_t *merged_rank,
    int64_t *merged_shape, int64_t *const *merged_strides);

// Strides of a dense row-major tensor, in elements, broadcast to `target_rank` dimensions aligned at the end: 0 for those that
// the tensor lacks or has as 1. Both ranks are at most APUSK_MERGE_MAX_RANK, rank <= target_rank.
void apusk_broadcast_strides(int32_t rank, const int64_t *shape, int32_t target_rank, int64_t *strides);

#endif
