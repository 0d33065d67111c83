#if defined(__x86_64__)
#include "binary_typed.h"
#include "elementwise_level.h"
#include "../math/isa_avx512.h"

#include "elementwise_kernels.h"

#include "../math/isa_end.h"
#endif
