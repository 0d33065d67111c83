// Kernels that move elements without arithmetic. They have one version for all levels, but for
// the pixels of images of bytes; their plans can not fail.
#ifndef APUSK_MOVEMENT_H
#define APUSK_MOVEMENT_H

#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- copy -----------------------------------------------------------------------------------------------------------------

// output[0 ..< bytes] = input[0 ..< bytes]; they don't overlap. A unit is a block of 4096 bytes.
typedef struct apusk_copy_args {
  const void *input;
  void *output;
  int64_t bytes;
} apusk_copy_args;

void apusk_copy_plan(const apusk_copy_args *args, apusk_plan *plan);

// ---- fill -----------------------------------------------------------------------------------------------------------------

// output[0 ..< count] = the value whose little-endian bits are (low, high), of element_bytes 1, 2, 4, 8 or 16.
// A unit is a block of 1024 elements.
typedef struct apusk_fill_args {
  void *output;
  int64_t count;
  uint64_t low;
  uint64_t high;  // 16-byte elements only
  int32_t element_bytes;
  int32_t reserved;
} apusk_fill_args;

void apusk_fill_plan(const apusk_fill_args *args, apusk_plan *plan);

// ---- block copy: Concat, Split, Slice along one axis ----------------------------------------------------------------------

// For each row r < rows: block_bytes bytes from input + input_offset + r * input_row_bytes to
// output + output_offset + r * output_row_bytes. Concat of k inputs is k steps. A unit is a row.
typedef struct apusk_block_copy_args {
  const void *input;
  void *output;
  int64_t input_offset;  // bytes
  int64_t output_offset;
  int64_t rows;
  int64_t block_bytes;
  int64_t input_row_bytes;
  int64_t output_row_bytes;
} apusk_block_copy_args;

void apusk_block_copy_plan(const apusk_block_copy_args *args, apusk_plan *plan);

// ---- strided copy: Transpose, Expand, Slice -------------------------------------------------------------------------------

// output, dense and row-major with `shape`, receives input + input_offset elements read with `strides` (in elements; 0 repeats,
// negative walks back). A unit is a row of the innermost dimension, or with rank 1 a block of 1024 elements.
typedef struct apusk_strided_copy_args {
  const void *input;
  void *output;
  int64_t input_offset;  // elements
  int32_t element_bytes;  // 1, 2, 4, 8 or 16
  int32_t rank;           // 1 ... 8
  int32_t level;          // APUSK_LEVEL_...: pixels of three bytes are put together by AVX2
  int32_t reserved;
  int64_t shape[APUSK_MAX_RANK];
  int64_t strides[APUSK_MAX_RANK];
} apusk_strided_copy_args;

// Each sets rank, shape and strides, merging dimensions; element_bytes and input_offset are the caller's. They return 0,
// 106 where the shapes don't fit, or 301 if more than 8 dimensions remain or a rank is above 64.
// Any strided view of `rank` dimensions.
int32_t apusk_strided_copy_set_view(
    apusk_strided_copy_args *args, int32_t rank, const int64_t *shape, const int64_t *strides);
// output[i_perm[0], i_perm[1], ...] = input[i_0, i_1, ...]: ONNX Transpose of a dense input with `input_shape`; perm has each of
// 0 ..< rank once.
int32_t apusk_strided_copy_set_transpose(
    apusk_strided_copy_args *args, int32_t rank, const int64_t *input_shape, const int32_t *perm);
// Broadcasts a dense input to `output_shape` (one direction: the input's dimensions are 1 or equal, aligned at the end).
int32_t apusk_strided_copy_set_expand(
    apusk_strided_copy_args *args, int32_t input_rank, const int64_t *input_shape, int32_t output_rank,
    const int64_t *output_shape);

void apusk_strided_copy_plan(const apusk_strided_copy_args *args, apusk_plan *plan);

// ---- remap: Pad, Tile, CenterCropPad, Resize to the nearest ----------------------------------------------------------------

// output, dense with `shape` blocks of block_bytes, receives output[i_0, i_1, ...] = input[t_0[i_0], t_1[i_1], ...] with
// t_d = tables[d], or the index itself where that is NULL. A negative entry makes all that it selects the fill: element_bytes
// repeated over the block, zeros where `fill` is NULL. `strides` are those of the input, in bytes. A unit is a row of the
// last dimension.
typedef struct apusk_remap_args {
  const void *input;
  const void *fill;
  void *output;
  const int64_t *tables[APUSK_MAX_RANK];
  int64_t shape[APUSK_MAX_RANK];
  int64_t strides[APUSK_MAX_RANK];
  int64_t block_bytes;
  int32_t element_bytes;
  int32_t rank;  // 1 ... 8
  // Where the last dimension's table runs on in steps of one: entries run_begin ..< run_end are run_source and onwards.
  int64_t run_begin;
  int64_t run_end;
  int64_t run_source;
} apusk_remap_args;

// Finds the longest run of a table of `count` entries, NULL for the identity.
void apusk_remap_find_run(apusk_remap_args *args, const int64_t *table, int64_t count);
void apusk_remap_plan(const apusk_remap_args *args, apusk_plan *plan);

// ---- gather ---------------------------------------------------------------------------------------------------------------

// ONNX Gather: output[o, k, :] = data[o, indices[k], :] with data [outer, axis_size, block], indices [index_count], output
// [outer, index_count, block], a block being block_bytes. Negative indices count from the end. An index outside
// -axis_size ..< axis_size stops the kernel with fault 600 {operand 1, position in indices, value, lower, upper}.
// A unit is one block of the output.
typedef struct apusk_gather_args {
  const void *data;
  const void *indices;
  void *output;
  int64_t outer;
  int64_t axis_size;
  int64_t index_count;
  int64_t block_bytes;
  int32_t index_bytes;  // 4: int32, 8: int64
  int32_t reserved;
} apusk_gather_args;

void apusk_gather_plan(const apusk_gather_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
