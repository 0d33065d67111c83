#include "../math/isa_portable.h"

#include "resize_kernels.h"

const apusk_resize_level apusk_resize_portable = {resize_f32_portable, resize_u8_portable, resize_i8_portable};

#include "../math/isa_end.h"
