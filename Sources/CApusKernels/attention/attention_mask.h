// Which keys a row of scores reaches.
#ifndef APUSK_ATTENTION_MASK_H
#define APUSK_ATTENTION_MASK_H

#include "../include/apusk_attention.h"

// The keys first ..< end of a row, a bool mask aside; 0 <= first <= end <= keys.
typedef struct apusk_key_range {
  int64_t first, end;
} apusk_key_range;

static inline apusk_key_range apusk_attention_range(
    const apusk_attention_mask *mask, int64_t batch, int64_t query, int64_t keys) {
  apusk_key_range range = {.first = 0, .end = keys};
  if (mask->mask && mask->mask_keys < range.end) range.end = mask->mask_keys;
  if (mask->valid_keys && mask->valid_keys[batch] < range.end) range.end = mask->valid_keys[batch];
  int64_t diagonal = query + (mask->offsets ? mask->offsets[batch] : mask->causal_offset);
  if (mask->is_causal && diagonal + 1 < range.end) range.end = diagonal + 1;
  if (range.end < 0) range.end = 0;
  if (mask->window > 0 && diagonal - mask->window + 1 > 0) range.first = diagonal - mask->window + 1;
  if (range.first > range.end) range.first = range.end;
  return range;
}

// Where the mask of a row begins, in elements.
static inline int64_t apusk_attention_mask_row(const apusk_attention_mask *mask, int64_t batch, int64_t head, int64_t query) {
  return batch * mask->mask_batch + head * mask->mask_head + query * mask->mask_query;
}

#endif
