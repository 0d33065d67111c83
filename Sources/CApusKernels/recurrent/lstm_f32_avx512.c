#if defined(__x86_64__)
#include "../gemm/simd_avx512.h"

#define SIMD_SIGMOID apusk_sigmoid_f32_avx512
#define SIMD_TANH apusk_tanh_f32_avx512
#include "lstm_cell.h"

APUSK_RECURRENT_ENTRY(apusk_recurrent_isa_avx512, apusk_gemm_isa_avx512, APUSK_LEVEL_AVX512)
#endif
