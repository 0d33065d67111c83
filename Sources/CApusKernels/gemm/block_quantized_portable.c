#include "block_quantized_level.h"
#include "../math/isa_portable.h"

#include "block_quantized_kernels.h"

#include "../math/isa_end.h"
