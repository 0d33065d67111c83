#include "recurrent_level.h"
#include "../math/isa_portable.h"

#include "recurrent_cells.h"

#include "../math/isa_end.h"
