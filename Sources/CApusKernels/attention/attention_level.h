// What the two ways through an attention share: many rows of queries side by side in lanes, or few rows one by one.
#ifndef APUSK_ATTENTION_LEVEL_H
#define APUSK_ATTENTION_LEVEL_H

#include <stdbool.h>

#include "attention_mask.h"

// Rows that one unit of work holds; on every level the same, because it decides which blocks of keys are read.
#define APUSK_ATTENTION_ROWS 32

// A head of keys and values with neighbouring rows of the queries that read it. Row i is query (first + i) % queries of
// query head (first + i) / queries of the group.
typedef struct apusk_attention_rows {
  const apusk_attention_f32_args *args;
  const float *q[APUSK_ATTENTION_ROWS];
  float *output[APUSK_ATTENTION_ROWS];
  int64_t mask[APUSK_ATTENTION_ROWS];           // where the mask of the row begins
  apusk_key_range range[APUSK_ATTENTION_ROWS];  // keys of the row
  const float *k, *v;
  int64_t count;
  apusk_key_range all;     // from the first key of any row to the last
  apusk_key_range shared;  // of all rows
  int32_t one_mask;     // whether all rows have the same mask
} apusk_attention_rows;

typedef struct apusk_attention_level {
  int64_t multiplies_per_us;  // rough speed of one thread, for the grain
  // All of `rows` in lanes.
  void (*wide)(const apusk_attention_rows *rows, float *scratch);
  // Row after row; at most APUSK_ATTENTION_NARROW.
  void (*narrow)(const apusk_attention_rows *rows, float *scratch);
  apusp_kernel kernel;
} apusk_attention_level;

extern const apusk_attention_level apusk_attention_portable;
#if defined(__x86_64__)
extern const apusk_attention_level apusk_attention_avx2;
extern const apusk_attention_level apusk_attention_avx512;
#endif

int32_t apusk_attention_f32_run(const apusk_attention_level *level, const apusk_attention_f32_args *args, int64_t begin,
                                int64_t end, apusp_worker *worker);

#endif
