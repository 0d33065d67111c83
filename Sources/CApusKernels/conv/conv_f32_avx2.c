#if defined(__x86_64__)
#include "../gemm/simd_avx2.h"
#include "depthwise_pixels.h"
#include "lone_channel.h"
#include "winograd_transform.h"

APUSK_CONV_ENTRY(apusk_conv_isa_avx2, apusk_gemm_isa_avx2, APUSK_LEVEL_AVX2)
#endif
