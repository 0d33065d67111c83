// Copies through one table of indices a dimension: padding, tiling, cropping, nearest neighbours.
#include <stddef.h>
#include <string.h>

#include "../include/apusk_movement.h"

static void fill_bytes(char *output, int64_t bytes, const void *fill, int64_t element_bytes) {
  if (!fill) {
    memset(output, 0, (size_t)bytes);
    return;
  }
  for (int64_t i = 0; i < bytes; i += element_bytes) memcpy(output + i, fill, (size_t)element_bytes);
}

// Entries [from, to) of a row through its table. Blocks of an element are copied by instructions.
static void copy_entries(
    const apusk_remap_args *args, char *output, const char *input, const int64_t *table, int64_t from, int64_t to) {
  int64_t block = args->block_bytes, stride = args->strides[args->rank - 1];
#define ENTRIES(bytes)                                                                         \
  for (int64_t i = from; i < to; i++) {                                                        \
    if (table[i] < 0) {                                                                        \
      fill_bytes(output + i * (bytes), (bytes), args->fill, args->element_bytes);              \
    } else {                                                                                   \
      memcpy(output + i * (bytes), input + table[i] * stride, (size_t)(bytes));                \
    }                                                                                          \
  }                                                                                            \
  break;
  switch (block) {
    case 1: ENTRIES(1)
    case 2: ENTRIES(2)
    case 4: ENTRIES(4)
    case 8: ENTRIES(8)
    default: ENTRIES(block)
  }
#undef ENTRIES
}

static void remap_row(const apusk_remap_args *args, char *output, const char *input) {
  int32_t last = args->rank - 1;
  int64_t count = args->shape[last], block = args->block_bytes, stride = args->strides[last];
  const int64_t *table = args->tables[last];
  const char *run = input + args->run_source * stride;
  if (table) {
    copy_entries(args, output, input, table, 0, args->run_begin);
    copy_entries(args, output, input, table, args->run_end, count);
  }
  if (stride == block) {
    memcpy(output + args->run_begin * block, run, (size_t)((args->run_end - args->run_begin) * block));
  } else {
    for (int64_t i = args->run_begin; i < args->run_end; i++) {
      memcpy(output + i * block, run + (i - args->run_begin) * stride, (size_t)block);
    }
  }
}

// The input offset of a row, or -1 where it is all fill.
static int64_t row_offset(const apusk_remap_args *args, int64_t row) {
  int64_t offset = 0;
  for (int32_t d = args->rank - 2; d >= 0; d--) {
    int64_t index = row % args->shape[d];
    row /= args->shape[d];
    if (args->tables[d]) index = args->tables[d][index];
    if (index < 0) return -1;
    offset += index * args->strides[d];
  }
  return offset;
}

static int32_t remap(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_remap_args *args = args_;
  (void)worker;
  int64_t row_bytes = args->shape[args->rank - 1] * args->block_bytes;
  int64_t before = -2;
  for (int64_t row = begin; row < end; row++) {
    char *output = (char *)args->output + row * row_bytes;
    int64_t offset = row_offset(args, row);
    if (offset < 0) {
      fill_bytes(output, row_bytes, args->fill, args->element_bytes);
    } else if (offset == before) {
      memcpy(output, output - row_bytes, (size_t)row_bytes);
    } else {
      remap_row(args, output, (const char *)args->input + offset);
    }
    before = offset;
  }
  return 0;
}

void apusk_remap_find_run(apusk_remap_args *args, const int64_t *table, int64_t count) {
  args->run_begin = args->run_source = 0;
  args->run_end = table ? 0 : count;
  if (!table) return;
  for (int64_t begin = 0; begin < count;) {
    int64_t end = begin + 1;
    while (end < count && table[end] == table[end - 1] + 1 && table[begin] >= 0) end++;
    if (table[begin] >= 0 && end - begin > args->run_end - args->run_begin) {
      args->run_begin = begin;
      args->run_end = end;
      args->run_source = table[begin];
    }
    begin = end;
  }
}

void apusk_remap_plan(const apusk_remap_args *args, apusk_plan *plan) {
  const int64_t bytes_per_grain = 128 * 1024, row_overhead = 64;
  int64_t rows = 1, row = args->shape[args->rank - 1] * args->block_bytes;
  for (int32_t d = 0; d < args->rank - 1; d++) rows *= args->shape[d];
  *plan = (apusk_plan){
      .kernel = remap, .units = row == 0 ? 0 : rows, .grain = 1 + bytes_per_grain / (row + row_overhead)};
}
