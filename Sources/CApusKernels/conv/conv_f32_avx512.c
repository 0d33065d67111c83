#if defined(__x86_64__)
#include "../gemm/simd_avx512.h"
#include "depthwise_pixels.h"
#include "lone_channel.h"
#include "winograd_transform.h"

APUSK_CONV_ENTRY(apusk_conv_isa_avx512, apusk_gemm_isa_avx512, APUSK_LEVEL_AVX512)
#endif
