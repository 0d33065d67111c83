#include "normalize_level.h"
#include "../math/isa_portable.h"

#include "normalize_f32_kernels.h"

#include "../math/isa_end.h"
