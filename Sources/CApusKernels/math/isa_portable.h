// Opens a file of kernels for APUSK_LEVEL_PORTABLE: what the compiler's base target has. isa_end.h closes it.
#define APUSK_ISA 0
#define APUSK_ISA_NAME(name) name##_portable
#include "isa_begin.h"
