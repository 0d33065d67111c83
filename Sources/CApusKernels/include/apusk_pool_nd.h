// Pooling over any number of spatial axes, channels-last, for float32, float64 and 8-bit integers; and its inverses.
#ifndef APUSK_POOL_ND_H
#define APUSK_POOL_ND_H

#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

#define APUSK_POOL_MAX_AXES 6

typedef struct apusk_pool_axis {
  int64_t input, output;
  int64_t kernel, stride, dilation;
  int64_t pad_begin, pad_end;  // not negative
} apusk_pool_axis;

// What is made of a window's elements inside the image, in row-major order. MAX: the largest (NaN if one is NaN, the first of
// equals); the lowest value of the type if there is none. AVERAGE: their sum divided by their number, or with count_include_pad
// by the number of window elements inside the padded image; 0 if that is 0. LP: the p-th root of the sum of |x|^p, computed in
// float64. MAX takes every type, the others float32 and float64.
#define APUSK_POOL_ND_MAX 0
#define APUSK_POOL_ND_AVERAGE 1
#define APUSK_POOL_ND_LP 2

typedef struct apusk_pool_nd_args {
  const void *input;   // [batch, input..., channels]
  void *output;        // [batch, output..., channels]; may not overlap
  int64_t *indices;    // MAX: as output, positions in the input as if it were [batch, channels, input...]; or NULL
  int64_t batch, channels;
  int32_t axes;
  int32_t function, element_type;
  int32_t count_include_pad;
  int32_t column_major;  // positions count the first spatial axis fastest
  int32_t p;             // LP: 1 or more
  apusk_pool_axis axis[APUSK_POOL_MAX_AXES];
} apusk_pool_nd_args;

static inline void apusk_pool_nd_set(apusk_pool_nd_args *args, int32_t index, const apusk_pool_axis *axis) {
  args->axis[index] = *axis;
}

// Returns 0, 100 for sizes or types that make no pooling, 301 for an overflow.
int32_t apusk_pool_nd_plan(const apusk_pool_nd_args *args, apusk_plan *plan);

// output = 0 everywhere, but output[place(indices[i])] = input[i]; of equal places the last counts. Indices are positions in a
// tensor of extents `inferred`, which lies at the beginning of each axis of the output. One unit.
typedef struct apusk_max_unpool_args {
  const void *input;
  const int64_t *indices;  // each is checked: 0 <= index < product of `inferred`
  void *output;
  int64_t count;           // of input
  int64_t element_bytes;   // 1, 2, 4, 8, 16
  int32_t rank;            // 1 ... APUSK_MAX_RANK
  int64_t inferred[APUSK_MAX_RANK];
  int64_t extents[APUSK_MAX_RANK];  // of output; not below `inferred`
} apusk_max_unpool_args;

static inline void apusk_max_unpool_set(apusk_max_unpool_args *args, int32_t axis, int64_t inferred, int64_t extent) {
  args->inferred[axis] = inferred;
  args->extents[axis] = extent;
}

int32_t apusk_max_unpool_plan(const apusk_max_unpool_args *args, apusk_plan *plan);

// Sums columns [planes, block..., positions] into images [planes, image...]: the inverse of taking each window as a column.
// Position l along an axis and block element k meet the image at l * stride - pad_begin + k * dilation. Sums go in the order of
// the block's elements; integers wrap. A unit is a plane.
typedef struct apusk_col2im_args {
  const void *input;
  void *output;
  int64_t planes;
  int32_t axes;
  int32_t element_type;  // float32, float64, int32, int64
  apusk_pool_axis axis[APUSK_POOL_MAX_AXES];  // input: positions, output: the image, kernel: the block
} apusk_col2im_args;

static inline void apusk_col2im_set(apusk_col2im_args *args, int32_t index, const apusk_pool_axis *axis) {
  args->axis[index] = *axis;
}

// Returns 0, 100 for sizes or types that it does not know, 301 for an overflow.
int32_t apusk_col2im_plan(const apusk_col2im_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
