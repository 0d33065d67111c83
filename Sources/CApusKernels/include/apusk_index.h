// Kernels that read or write elements at places told by indices. One portable version each, by width of an element; indices
// are checked while they run: one out of range stops the kernel with fault 600 {operand, position, value, lower, upper}.
#ifndef APUSK_INDEX_H
#define APUSK_INDEX_H

#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// Most dimensions of operands whose dimensions can not be merged.
#define APUSK_INDEX_MAX_RANK 16

// ---- GatherElements -------------------------------------------------------------------------------------------------------

// output[i_0, ..., i_n] = data[i_0, ..., indices[i_0, ..., i_n], ..., i_n]: the index stands at `axis`. `shape` is that of the
// indices and of the output, `data_strides` are those of the data, in elements. A unit is an element.
typedef struct apusk_gather_elements_args {
  const void *data;
  const void *indices;
  void *output;
  int64_t axis_size;  // of the data
  int32_t index_bytes;    // 4: int32, 8: int64
  int32_t element_bytes;  // 1, 2, 4, 8 or 16
  int32_t axis;
  int32_t rank;  // 1 ... 16
  int64_t shape[APUSK_INDEX_MAX_RANK];
  int64_t data_strides[APUSK_INDEX_MAX_RANK];
} apusk_gather_elements_args;

void apusk_gather_elements_plan(const apusk_gather_elements_args *args, apusk_plan *plan);

// ---- GatherND and ScatterND -----------------------------------------------------------------------------------------------

// `tuples` tuples of `depth` int64 indices into the dimensions `sizes` of a batch, whose strides are in bytes. Each names a
// block of block_bytes. Batch b has the tuples [b * tuples / batches, ...) and begins at b * batch_bytes.
typedef struct apusk_index_tuples {
  const int64_t *indices;
  int64_t tuples;
  int64_t batches;
  int64_t batch_bytes;
  int64_t block_bytes;
  int32_t depth;  // 0 ... 16
  int32_t reserved;
  int64_t sizes[APUSK_INDEX_MAX_RANK];
  int64_t strides[APUSK_INDEX_MAX_RANK];
} apusk_index_tuples;

// output[t] = the block of data that tuple t names. A unit is a tuple.
typedef struct apusk_gather_nd_args {
  apusk_index_tuples places;
  const void *data;
  void *output;
} apusk_gather_nd_args;

void apusk_gather_nd_plan(const apusk_gather_nd_args *args, apusk_plan *plan);

#define APUSK_SCATTER_SET 0
#define APUSK_SCATTER_ADD 1
#define APUSK_SCATTER_MUL 2
#define APUSK_SCATTER_MIN 3
#define APUSK_SCATTER_MAX 4

// The block of output that tuple t names = itself combined with updates[t], tuples in order; output holds the data before. A
// unit is a piece of each block.
typedef struct apusk_scatter_nd_args {
  apusk_index_tuples places;
  const void *updates;
  void *output;
  int32_t reduction;
  int32_t element_type;
  int32_t element_bytes;
  int32_t reserved;
} apusk_scatter_nd_args;

// 0, or 502 where the element type can not be reduced so.
int32_t apusk_scatter_nd_plan(const apusk_scatter_nd_args *args, apusk_plan *plan);

// ---- ScatterElements ------------------------------------------------------------------------------------------------------

// output[i_0, ..., indices[i_0, ..., i_n], ..., i_n] = itself combined with updates[i_0, ..., i_n], in the order of the indices;
// output holds the data before. `shape` is that of indices and updates. A unit is a line along the axis.
typedef struct apusk_scatter_elements_args {
  const void *indices;
  const void *updates;
  void *output;
  int64_t axis_size;  // of the output
  int32_t index_bytes;
  int32_t element_type;
  int32_t element_bytes;
  int32_t reduction;
  int32_t axis;
  int32_t rank;  // 1 ... 16
  int64_t shape[APUSK_INDEX_MAX_RANK];
  int64_t output_strides[APUSK_INDEX_MAX_RANK];
} apusk_scatter_elements_args;

int32_t apusk_scatter_elements_plan(const apusk_scatter_elements_args *args, apusk_plan *plan);

// ---- TensorScatter --------------------------------------------------------------------------------------------------------

// output, [batch, outer, size, block], holds the data before; for each batch b the `length` rows of updates
// [batch, outer, length, block] replace its rows from starts[b] on (0 where starts is NULL), modulo size if circular. A unit is
// a row of the updates.
typedef struct apusk_tensor_scatter_args {
  const int64_t *starts;
  const void *updates;
  void *output;
  int64_t batch;
  int64_t outer;
  int64_t size;
  int64_t length;
  int64_t block_bytes;
  int32_t circular;
  int32_t reserved;
} apusk_tensor_scatter_args;

void apusk_tensor_scatter_plan(const apusk_tensor_scatter_args *args, apusk_plan *plan);

// ---- OneHot ---------------------------------------------------------------------------------------------------------------

// output[o, d, i] = values[1] where indices[o, i] is d or d - depth, else values[0]; output [outer, depth, inner]. Indices
// are of any type of real numbers; one out of range, or no integer, gives values[0] throughout. A unit is an o.
typedef struct apusk_one_hot_args {
  const void *indices;
  const void *values;
  void *output;
  int64_t outer;
  int64_t depth;
  int64_t inner;
  int32_t index_type;
  int32_t element_bytes;
} apusk_one_hot_args;

// 0, or 502 for an index type that is not known.
int32_t apusk_one_hot_plan(const apusk_one_hot_args *args, apusk_plan *plan);

// ---- ReverseSequence ------------------------------------------------------------------------------------------------------

// [rows, columns, block], of which time is the axis `time_axis` and batch the other one: output[t] = input[lengths[b] - 1 - t]
// for t < lengths[b], input[t] beyond. A unit is a block.
typedef struct apusk_reverse_sequence_args {
  const void *input;
  const int64_t *lengths;
  void *output;
  int64_t rows;
  int64_t columns;
  int64_t block_bytes;
  int32_t time_axis;  // 0 or 1
  int32_t reserved;
} apusk_reverse_sequence_args;

void apusk_reverse_sequence_plan(const apusk_reverse_sequence_args *args, apusk_plan *plan);

// ---- Trilu, EyeLike, Range ------------------------------------------------------------------------------------------------

// [matrices, rows, columns]: keeps column - row >= k of each matrix if `upper`, else column - row <= k; the rest is zero. A unit
// is a row. input may be output.
typedef struct apusk_trilu_args {
  const void *input;
  void *output;
  int64_t matrices;
  int64_t rows;
  int64_t columns;
  int64_t k;
  int32_t upper;
  int32_t element_bytes;
} apusk_trilu_args;

void apusk_trilu_plan(const apusk_trilu_args *args, apusk_plan *plan);

// output [rows, columns] = the bits (low, high) where column - row is k, else 0. A unit is a row.
typedef struct apusk_eye_args {
  void *output;
  int64_t rows;
  int64_t columns;
  int64_t k;
  uint64_t low;
  uint64_t high;  // 16-byte elements only
  int32_t element_bytes;
  int32_t reserved;
} apusk_eye_args;

void apusk_eye_plan(const apusk_eye_args *args, apusk_plan *plan);

// output[i] = start + i * delta: floats computed in double and rounded once, integers modulo 2^64. A unit is 1024 elements.
typedef struct apusk_range_args {
  void *output;
  int64_t count;
  double start;
  double delta;
  int64_t integer_start;
  int64_t integer_delta;
  int32_t element_type;  // float32, float64, int32 or int64
  int32_t reserved;
} apusk_range_args;

// 0, or 502.
int32_t apusk_range_plan(const apusk_range_args *args, apusk_plan *plan);

// ---- for host operators ---------------------------------------------------------------------------------------------------

// How many of `count` elements are not zero, and where: indices [rank, found], row-major over `shape`. A negative zero is zero.
// Both return -1 for an element type that is not known.
int64_t apusk_count_non_zero(int32_t element_type, const void *data, int64_t count);
int64_t apusk_non_zero(
    int32_t element_type, const void *data, int32_t rank, const int64_t *shape, int64_t found, int64_t *indices);

// Equal slices of a tensor seen as [outer, count, inner], along the middle axis: `order` [count] receives the slices sorted by
// value, equal ones in their order; `group` [count] the number of the class of each place of `order`, from 0 on. NaN is the
// largest value and equal to itself. `scratch` holds `count` numbers. Returns the number of classes, or -1 for an element type
// that is not known.
int64_t apusk_unique(
    int32_t element_type, const void *data, int64_t outer, int64_t count, int64_t inner, int64_t *order, int64_t *group,
    int64_t *scratch);

#ifdef __cplusplus
}
#endif
#endif
