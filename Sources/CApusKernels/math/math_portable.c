#define APUSK_MATH_BODIES
#include "isa_portable.h"

#include "activation_functions.h"
#include "array_functions.h"

#include "isa_end.h"
