#include "isa_portable.h"

#include "array_functions.h"

#include "isa_end.h"
