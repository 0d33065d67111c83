#include "pool_level.h"
#include "../math/isa_portable.h"

#include "pool_kernels.h"

#include "../math/isa_end.h"
