#if defined(__x86_64__)
#include "reduce_walk.h"
#include "../math/isa_avx2.h"

#include "reduce_f32_kernels.h"

#include "../math/isa_end.h"
#endif
