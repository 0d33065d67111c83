#include "../gemm/simd_portable.h"
#include "depthwise_pixels.h"
#include "lone_channel.h"
#include "winograd_transform.h"

APUSK_CONV_ENTRY(apusk_conv_isa_portable, apusk_gemm_isa_portable, APUSK_LEVEL_PORTABLE)
