#if defined(__x86_64__)
#include "../gemm/simd_avx2.h"
#define LONE_PIXELS 7
#include "lone_channel.h"

const apusk_lone_channel apusk_lone_channel_avx2 = LONE_CHANNEL_TABLE;
#endif
