#if defined(__x86_64__)
#include "../math/isa_avx512.h"

#include "resize_kernels.h"

const apusk_resize_level apusk_resize_avx512 = {resize_f32_avx512, resize_u8_avx512, resize_i8_avx512};

#include "../math/isa_end.h"
#endif
