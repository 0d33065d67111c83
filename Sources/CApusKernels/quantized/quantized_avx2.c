#if defined(__x86_64__)
#include "../elementwise/broadcast_walk.h"
#include "../pool/pool_range.h"
#include "quantized_level.h"
#include "../math/isa_avx2.h"

#include "quantized_kernels.h"

#include "../math/isa_end.h"
#endif
