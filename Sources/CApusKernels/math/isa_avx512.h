// Opens a file of kernels for APUSK_LEVEL_AVX512: its functions are compiled for AVX-512. isa_end.h closes it.
#define APUSK_ISA 2
#define APUSK_ISA_NAME(name) name##_avx512
#include "isa_begin.h"
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
