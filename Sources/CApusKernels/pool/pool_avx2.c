#if defined(__x86_64__)
#include "pool_level.h"
#include "../math/isa_avx2.h"

#include "pool_kernels.h"

#include "../math/isa_end.h"
#endif
