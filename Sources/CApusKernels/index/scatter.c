// ScatterElements, ScatterND and TensorScatter: updates written into a copy of the data.
#include <stddef.h>
#include <string.h>

#include "index_tuples.h"
#include "scatter_combine.h"

static int32_t scatter_elements(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_scatter_elements_args *args = args_;
  apusk_combine *combine = apusk_scatter_combine(args->reduction, args->element_type, args->element_bytes);
  int64_t width = args->element_bytes, axis_stride = 1;
  for (int32_t d = args->rank - 1; d > args->axis; d--) axis_stride *= args->shape[d];
  for (int64_t line = begin; line < end; line++) {
    int64_t rest = line, target = 0, source = 0, stride = 1;
    for (int32_t d = args->rank - 1; d >= 0; d--) {
      if (d != args->axis) {
        int64_t index = rest % args->shape[d];
        rest /= args->shape[d];
        target += index * args->output_strides[d];
        source += index * stride;
      }
      stride *= args->shape[d];
    }
    for (int64_t i = 0; i < args->shape[args->axis]; i++) {
      int64_t position = source + i * axis_stride;
      int64_t at = apusk_checked_index(
          apusk_index_at(args->indices, args->index_bytes, position), args->axis_size, 1, position, worker);
      if (at < 0) return 600;
      combine(
          (char *)args->output + (target + at * args->output_strides[args->axis]) * width,
          (const char *)args->updates + position * width, 1);
    }
  }
  return 0;
}

int32_t apusk_scatter_elements_plan(const apusk_scatter_elements_args *args, apusk_plan *plan) {
  if (!apusk_scatter_combine(args->reduction, args->element_type, args->element_bytes)) return 502;
  int64_t lines = 1;
  for (int32_t d = 0; d < args->rank; d++) {
    if (d != args->axis) lines *= args->shape[d];
  }
  int64_t length = args->shape[args->axis];
  *plan = (apusk_plan){
      .kernel = scatter_elements, .units = length == 0 ? 0 : lines, .grain = 1 + 8192 / (length + 1)};
  return 0;
}

enum { scatter_piece = 1024 };  // elements of a block that a unit of ScatterND does

static int32_t scatter_nd(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_scatter_nd_args *args = args_;
  apusk_combine *combine = apusk_scatter_combine(args->reduction, args->element_type, args->element_bytes);
  int64_t width = args->element_bytes, block = args->places.block_bytes;
  int64_t from = begin * scatter_piece, to = end * scatter_piece;
  if (to > block / width) to = block / width;
  if (from >= to) return 0;
  for (int64_t tuple = 0; tuple < args->places.tuples; tuple++) {
    int64_t offset = apusk_tuple_offset(&args->places, tuple, worker);
    if (offset < 0) return 600;
    combine(
        (char *)args->output + offset + from * width, (const char *)args->updates + tuple * block + from * width, to - from);
  }
  return 0;
}

int32_t apusk_scatter_nd_plan(const apusk_scatter_nd_args *args, apusk_plan *plan) {
  if (!apusk_scatter_combine(args->reduction, args->element_type, args->element_bytes)) return 502;
  int64_t count = args->places.block_bytes / args->element_bytes;
  *plan = (apusk_plan){
      .kernel = scatter_nd,
      .units = args->places.tuples == 0 ? 0 : count / scatter_piece + (count % scatter_piece != 0),
      .grain = 1 + 64 / (args->places.tuples + 1)};
  return 0;
}

static int32_t tensor_scatter(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_tensor_scatter_args *args = args_;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t row = unit % args->length, outer = unit / args->length, batch = outer / args->outer;
    int64_t start = args->starts ? args->starts[batch] : 0;
    // A circular cache takes any start; in a linear one the rows must fit.
    int64_t upper = args->circular ? INT64_MAX - args->length : args->size - args->length + 1;
    if (start < 0 || start >= upper) {
      worker->fault = (apusp_fault){
          .code = 600, .operand = 2, .position = batch, .value = start, .lower = 0, .upper = upper};
      return 600;
    }
    int64_t target = (start + row) % args->size;
    memcpy(
        (char *)args->output + (outer * args->size + target) * args->block_bytes,
        (const char *)args->updates + unit * args->block_bytes, (size_t)args->block_bytes);
  }
  return 0;
}

void apusk_tensor_scatter_plan(const apusk_tensor_scatter_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){
      .kernel = tensor_scatter,
      .units = args->block_bytes == 0 || args->size == 0 ? 0 : args->batch * args->outer * args->length,
      .grain = 1 + 128 * 1024 / (args->block_bytes + 64)};
}
