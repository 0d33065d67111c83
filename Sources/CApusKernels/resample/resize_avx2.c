#if defined(__x86_64__)
#include "../math/isa_avx2.h"

#include "resize_kernels.h"

const apusk_resize_level apusk_resize_avx2 = {resize_f32_avx2, resize_u8_avx2, resize_i8_avx2};

#include "../math/isa_end.h"
#endif
