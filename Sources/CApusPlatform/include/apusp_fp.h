// The floating-point mode that all kernels run in, so that a caller's mode never changes a result.
#ifndef APUSP_FP_H
#define APUSP_FP_H

#include "apusp_base.h"

APUSP_BEGIN

// Sets this thread's mode: round to nearest even, denormals kept (no flush to zero, no denormals-are-zero), exceptions
// masked. Returns the mode and the sticky exception flags as they were, for apusp_fp_leave.
uint64_t apusp_fp_enter(void);

// Gives the thread back the mode and flags that apusp_fp_enter returned.
void apusp_fp_leave(uint64_t saved);

APUSP_END
#endif
