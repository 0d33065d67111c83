#if defined(__x86_64__)
#include "normalize_level.h"
#include "../math/isa_avx2.h"

#include "normalize_f32_kernels.h"

#include "../math/isa_end.h"
#endif
