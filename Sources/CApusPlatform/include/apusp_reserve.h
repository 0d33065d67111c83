// The reserve of small memory. Swift can not fail softly when an object or an array finds no memory: it ends the process.
// In libapus its allocations therefore fall back on memory that was set aside before, by a call that can fail.
#ifndef APUSP_RESERVE_H
#define APUSP_RESERVE_H

#include "apusp_base.h"

APUSP_BEGIN

// Sets address space aside from which the Swift objects of the work that follows are served where the system has no memory
// for them. `bytes` is the most that the work allocates at a time. Costs no physical memory until it is needed. Returns 0,
// or 300: then the work must not begin. Each success is ended by apusp_reserve_end with the same number. From any thread.
//
// Only libapus serves Swift from here; in an ordinary Swift program both functions do nothing.
APUSP_NODISCARD int32_t apusp_reserve_begin(uint64_t bytes);

// Ends the work. What it left allocated stays valid.
void apusp_reserve_end(uint64_t bytes);

APUSP_END
#endif
