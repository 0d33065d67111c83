// What an instruction set level brings to the LSTM.
#ifndef APUSK_LSTM_ISA_H
#define APUSK_LSTM_ISA_H

#include "../gemm/gemm_block.h"
#include "apusk_math.h"
#include "apusk_recurrent.h"

// One time step of one item and direction, after the product with R. `gates` [4H] holds h * R^T and is overwritten;
// `c` and `h` [H] are the state.
typedef struct apusk_lstm_cell {
  const apusk_lstm_f32_args *args;
  int32_t direction;  // 0 or 1: which of the activations
  float *gates;
  const float *xw;         // [4H]
  const float *bias;       // [8H] or NULL
  const float *peephole;   // [3H] or NULL
  float *c;
  float *h;
} apusk_lstm_cell;

typedef struct apusk_recurrent_isa {
  apusk_recurrent_kernels kernels;
  const apusk_gemm_isa *gemm;
  void (*cell)(const apusk_lstm_cell *cell);
} apusk_recurrent_isa;

extern const apusk_recurrent_isa apusk_recurrent_isa_portable;
#if defined(__x86_64__)
extern const apusk_recurrent_isa apusk_recurrent_isa_avx2;
extern const apusk_recurrent_isa apusk_recurrent_isa_avx512;
#endif

int32_t apusk_lstm_f32_run(const apusk_recurrent_isa *isa, const apusk_lstm_f32_args *args, int64_t begin, int64_t end,
                           apusp_worker *worker);

#define APUSK_RECURRENT_ENTRY(isa, gemm_isa, level_number)                                          \
  static int32_t lstm_f32(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {     \
    return apusk_lstm_f32_run(&isa, args, begin, end, worker);                                      \
  }                                                                                                 \
  const apusk_recurrent_isa isa = {                                                                 \
      .kernels = {level_number, &gemm_isa.kernels, lstm_f32},                                       \
      .gemm = &gemm_isa,                                                                            \
      .cell = lstm_cell,                                                                            \
  };

#endif
