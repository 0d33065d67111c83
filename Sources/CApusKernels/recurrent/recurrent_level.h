// What the parts of a recurrent layer share.
#ifndef APUSK_RECURRENT_LEVEL_H
#define APUSK_RECURRENT_LEVEL_H

#include "../include/apusk_recurrent.h"
#include "../gemm/block_weights.h"
#include "../gemm/gemm_half.h"

// One time step of one item and direction, after the products. Pointers are to column 0 of the item.
typedef struct apusk_recurrent_cell {
  const apusk_recurrent_args *args;
  int64_t gates;          // G*H
  int32_t direction;      // 0 or 1: which of the activations
  const float *sums;      // [G*H]: h . R of each gate
  const float *xw;        // [G*H]
  const float *bias;      // [2*G*H] or NULL
  const float *peephole;  // [3H] or NULL
  const float *h;         // the state before
  float *next;            // and after
  float *c;               // LSTM: its cell state. GRU with a reset before the product: r * h
  float *z;               // GRU with a reset before the product: from the first half to the second
  float *y;               // or NULL
} apusk_recurrent_cell;

// The columns begin ..< end of a cell.
typedef void (*apusk_recurrent_cell_function)(const apusk_recurrent_cell *cell, int64_t begin, int64_t end);

typedef struct apusk_recurrent_level {
  const apusk_gemm_isa *gemm;
  apusk_recurrent_cell_function cells[3];  // by kind
  // GRU with a reset before the product: z and r * h; cells[APUSK_GRU] is what follows.
  apusk_recurrent_cell_function reset;
  apusp_kernel run;
} apusk_recurrent_level;

extern const apusk_recurrent_level apusk_recurrent_portable;
#if defined(__x86_64__)
extern const apusk_recurrent_level apusk_recurrent_avx2;
extern const apusk_recurrent_level apusk_recurrent_avx512;
#endif

int32_t apusk_recurrent_f32_start(const void *args, int64_t begin, int64_t end, apusp_worker *worker);
int32_t apusk_recurrent_f32_run(const apusk_recurrent_level *level, const apusk_recurrent_args *args, int64_t begin,
                                int64_t end, apusp_worker *worker);
int32_t apusk_recurrent_f64_run(const void *args, int64_t begin, int64_t end, apusp_worker *worker);

// Phases of a chain that has steps, and bytes of its state.
int64_t apusk_recurrent_f32_phases(const apusk_recurrent_args *args);
int64_t apusk_recurrent_f32_chain_bytes(const apusk_recurrent_args *args);

static inline int64_t apusk_recurrent_directions(const apusk_recurrent_args *args) {
  return args->direction == APUSK_RECURRENT_BIDIRECTIONAL ? 2 : 1;
}

// Columns that a part has a whole number of, but for the last one.
static inline int64_t apusk_recurrent_panel(const apusk_recurrent_args *args, const apusk_gemm_isa *gemm) {
  return args->weights.bits != 0 ? APUSK_BLOCK_COLUMNS : gemm->kernels.nr;
}

// Steps of an item, or -1 with a fault where its length is outside [0, steps].
int64_t apusk_recurrent_length(const apusk_recurrent_args *args, int64_t item, apusp_worker *worker);

#endif
