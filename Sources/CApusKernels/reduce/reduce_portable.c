#include "reduce_walk.h"
#include "../math/isa_portable.h"

#include "reduce_f32_kernels.h"

#include "../math/isa_end.h"
