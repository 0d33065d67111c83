#if defined(__x86_64__)
#include "attention_level.h"
#include "../math/isa_avx2.h"

#include "attention_kernels.h"

#include "../math/isa_end.h"
#endif
