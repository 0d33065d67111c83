// Opens a file of kernels for APUSK_LEVEL_AVX2: its functions are compiled for AVX2 and FMA. isa_end.h closes it.
#define APUSK_ISA 1
#define APUSK_ISA_NAME(name) name##_avx2
#include "isa_begin.h"
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
