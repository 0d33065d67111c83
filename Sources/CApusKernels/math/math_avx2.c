#if defined(__x86_64__)
#include "isa_avx2.h"

#include "array_functions.h"

#include "isa_end.h"
#endif
