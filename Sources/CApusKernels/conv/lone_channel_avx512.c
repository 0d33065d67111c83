#if defined(__x86_64__)
#include "../gemm/simd_avx512_8.h"
#define LONE_PIXELS 14
#include "lone_channel.h"

const apusk_lone_channel apusk_lone_channel_avx512 = LONE_CHANNEL_TABLE;
#endif
