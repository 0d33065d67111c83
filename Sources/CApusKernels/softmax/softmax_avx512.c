#if defined(__x86_64__)
#include "softmax_level.h"
#include "../math/isa_avx512.h"

#include "softmax_kernels.h"

#include "../math/isa_end.h"
#endif
