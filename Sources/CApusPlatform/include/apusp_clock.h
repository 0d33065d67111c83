// Monotonic time.
#ifndef APUSP_CLOCK_H
#define APUSP_CLOCK_H

#include "apusp_base.h"

APUSP_BEGIN

// Nanoseconds since an unstated moment (CLOCK_MONOTONIC): never steps back, does not count suspended time. Never 0.
uint64_t apusp_clock_now(void);

APUSP_END
#endif
