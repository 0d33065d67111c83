#if defined(__x86_64__)
#include "apusk_math.h"
#include "simd_avx512_8.h"

#define SIMD_ACTIVATE apusk_activate_f32_avx512
#include "tail_finish.h"

void apusk_finish_8_avx512(const apusk_finish *finish) { finish_rows(finish); }
#endif
