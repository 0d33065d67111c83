// Copies of whole blocks of bytes: plain copies, fills, and the rows of Concat, Split and Slice.
#include <string.h>

#include "../include/apusk_movement.h"

// Bytes worth giving to a thread: some 10 us from the second-level cache or beyond.
#define BYTES_PER_GRAIN (128 * 1024)

enum { copy_block = 4096, fill_block = 1024 };

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t blocks_of(int64_t count, int64_t block) { return count / block + (count % block != 0); }

static int32_t copy(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_copy_args *args = args_;
  (void)worker;
  int64_t from = begin * copy_block, to = smaller(end * copy_block, args->bytes);
  if (from < to) memcpy((char *)args->output + from, (const char *)args->input + from, (size_t)(to - from));
  return 0;
}

void apusk_copy_plan(const apusk_copy_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){
      .kernel = copy, .units = blocks_of(args->bytes, copy_block), .grain = BYTES_PER_GRAIN / copy_block};
}

static int32_t fill(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_fill_args *args = args_;
  (void)worker;
  int64_t from = begin * fill_block, to = smaller(end * fill_block, args->count);
  switch (args->element_bytes) {
    case 1:
      if (from < to) memset((char *)args->output + from, (int)(args->low & 0xff), (size_t)(to - from));
      break;
    case 2:
      for (int64_t i = from; i < to; i++) ((uint16_t *)args->output)[i] = (uint16_t)args->low;
      break;
    case 4:
      for (int64_t i = from; i < to; i++) ((uint32_t *)args->output)[i] = (uint32_t)args->low;
      break;
    case 8:
      for (int64_t i = from; i < to; i++) ((uint64_t *)args->output)[i] = args->low;
      break;
    default:
      for (int64_t i = from; i < to; i++) {
        ((uint64_t *)args->output)[2 * i] = args->low;
        ((uint64_t *)args->output)[2 * i + 1] = args->high;
      }
      break;
  }
  return 0;
}

void apusk_fill_plan(const apusk_fill_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){
      .kernel = fill,
      .units = blocks_of(args->count, fill_block),
      .grain = BYTES_PER_GRAIN / (fill_block * args->element_bytes)};
}

static int32_t block_copy(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_block_copy_args *args = args_;
  (void)worker;
  const char *input = (const char *)args->input + args->input_offset;
  char *output = (char *)args->output + args->output_offset;
  for (int64_t r = begin; r < end; r++) {
    memcpy(output + r * args->output_row_bytes, input + r * args->input_row_bytes, (size_t)args->block_bytes);
  }
  return 0;
}

void apusk_block_copy_plan(const apusk_block_copy_args *args, apusk_plan *plan) {
  const int64_t row_overhead = 64;  // a short call costs about as much as so many bytes
  *plan = (apusk_plan){
      .kernel = block_copy,
      .units = args->block_bytes == 0 ? 0 : args->rows,
      .grain = 1 + BYTES_PER_GRAIN / (args->block_bytes + row_overhead)};
}
