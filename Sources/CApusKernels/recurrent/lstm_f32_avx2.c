#if defined(__x86_64__)
#include "../gemm/simd_avx2.h"

#define SIMD_SIGMOID apusk_sigmoid_f32_avx2
#define SIMD_TANH apusk_tanh_f32_avx2
#include "lstm_cell.h"

APUSK_RECURRENT_ENTRY(apusk_recurrent_isa_avx2, apusk_gemm_isa_avx2, APUSK_LEVEL_AVX2)
#endif
