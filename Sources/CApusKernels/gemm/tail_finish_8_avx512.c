#if defined(__x86_64__)
#include "apusk_math.h"
#include "simd_avx512_8.h"

#define SIMD_SIGMOID apusk_sigmoid_f32_avx512
#define SIMD_TANH apusk_tanh_f32_avx512
#include "tail_finish.h"

void apusk_finish_8_avx512(const apusk_finish *finish) { finish_rows(finish); }
#endif
