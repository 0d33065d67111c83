#include "attention_level.h"
#include "../math/isa_portable.h"

#include "attention_kernels.h"

#include "../math/isa_end.h"
