#include "../gemm/simd_portable.h"

#define SIMD_SIGMOID apusk_sigmoid_f32_portable
#define SIMD_TANH apusk_tanh_f32_portable
#include "lstm_cell.h"

APUSK_RECURRENT_ENTRY(apusk_recurrent_isa_portable, apusk_gemm_isa_portable, APUSK_LEVEL_PORTABLE)
