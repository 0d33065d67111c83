#if defined(__x86_64__)
#include "recurrent_level.h"
#include "../math/isa_avx2.h"

#include "recurrent_cells.h"

#include "../math/isa_end.h"
#endif
