#if defined(__x86_64__)
#include "../math/isa_avx2.h"

#include "dynamic_kernels.h"

#include "../math/isa_end.h"
#endif
