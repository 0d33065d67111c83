// What a level brings to products with block-quantized weights.
#ifndef APUSK_BLOCK_QUANTIZED_LEVEL_H
#define APUSK_BLOCK_QUANTIZED_LEVEL_H

#include "../include/apusk_block_quantized.h"

int32_t apusk_block_quantized_portable(const void *args, int64_t begin, int64_t end, apusp_worker *worker);
#if defined(__x86_64__)
int32_t apusk_block_quantized_avx2(const void *args, int64_t begin, int64_t end, apusp_worker *worker);
int32_t apusk_block_quantized_avx512(const void *args, int64_t begin, int64_t end, apusp_worker *worker);
#endif

#endif
