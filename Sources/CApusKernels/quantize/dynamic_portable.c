#include "../math/isa_portable.h"

#include "dynamic_kernels.h"

#include "../math/isa_end.h"
