#include "softmax_level.h"
#include "../math/isa_portable.h"

#include "softmax_kernels.h"

#include "../math/isa_end.h"
