#include "binary_typed.h"
#include "elementwise_level.h"
#include "../math/isa_portable.h"

#include "elementwise_kernels.h"

#include "../math/isa_end.h"
