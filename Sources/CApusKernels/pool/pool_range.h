// The part of a pooling window that lies inside of the image.
#ifndef APUSK_POOL_RANGE_H
#define APUSK_POOL_RANGE_H

#include <stdint.h>

// The window positions first ..< last along one axis whose input index start + i * dilation is in 0 ..< size.
typedef struct pool_range {
  int64_t first, last;
} pool_range;

static pool_range positions_inside(int64_t start, int64_t dilation, int64_t kernel, int64_t size) {
  pool_range range = {0, kernel};
  if (start >= 0 && start + (kernel - 1) * dilation < size) return range;  // most of them, without a division
  if (start < 0) range.first = (-start + dilation - 1) / dilation;
  range.last = size > start ? (size - start + dilation - 1) / dilation : 0;
  if (range.last > kernel) range.last = kernel;
  if (range.last < range.first) range.last = range.first;
  return range;
}

#endif
