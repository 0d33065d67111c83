#include "../gemm/simd_portable.h"
#define LONE_PIXELS 7
#include "lone_channel.h"

const apusk_lone_channel apusk_lone_channel_portable = LONE_CHANNEL_TABLE;
