#include "../gemm/simd_portable.h"
#include "depthwise_pixels.h"

APUSK_CONV_ENTRY(apusk_conv_isa_portable, apusk_gemm_isa_portable, APUSK_LEVEL_PORTABLE)
