#include "merge_dimensions.h"

#include <stdbool.h>

int32_t apusk_merge_dimensions(
    int32_t rank, const int64_t *shape, int32_t operands, const int64_t *const *strides, int32_t *merged_rank,
    int64_t *merged_shape, int64_t *const *merged_strides) {
  if (rank < 0 || rank > APUSK_MERGE_MAX_RANK) return 301;
  bool empty = false;
  for (int32_t d = 0; d < rank; d++) empty = empty || shape[d] == 0;
  int32_t count = 0;
  for (int32_t d = 0; d < rank && !empty; d++) {
    if (shape[d] == 1) continue;
    bool joins = count > 0;
    for (int32_t k = 0; k < operands && joins; k++) joins = merged_strides[k][count - 1] == strides[k][d] * shape[d];
    if (joins) {
      merged_shape[count - 1] *= shape[d];
    } else {
      if (count == APUSK_MAX_RANK) return 301;
      merged_shape[count++] = shape[d];
    }
    for (int32_t k = 0; k < operands; k++) merged_strides[k][count - 1] = strides[k][d];
  }
  if (count == 0) {
    merged_shape[0] = empty ? 0 : 1;
    for (int32_t k = 0; k < operands; k++) merged_strides[k][0] = 1;
    count = 1;
  }
  *merged_rank = count;
  return 0;
}

void apusk_broadcast_strides(int32_t rank, const int64_t *shape, int32_t target_rank, int64_t *strides) {
  int64_t stride = 1;
  for (int32_t d = target_rank - 1; d >= 0; d--) {
    int32_t own = d - (target_rank - rank);
    strides[d] = own >= 0 && shape[own] != 1 ? stride : 0;
    if (own >= 0) stride *= shape[own];
  }
}
