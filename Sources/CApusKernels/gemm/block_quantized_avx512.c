#if defined(__x86_64__)
#include "block_quantized_level.h"
#include "../math/isa_avx512.h"

#include "block_quantized_kernels.h"

#include "../math/isa_end.h"
#endif
