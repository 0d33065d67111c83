#include "../elementwise/broadcast_walk.h"
#include "../pool/pool_range.h"
#include "quantized_level.h"
#include "../math/isa_portable.h"

#include "quantized_kernels.h"

#include "../math/isa_end.h"
