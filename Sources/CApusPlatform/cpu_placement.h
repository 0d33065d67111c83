// Which CPU a thread runs on.
#ifndef APUSP_CPU_PLACEMENT_H
#define APUSP_CPU_PLACEMENT_H

#include <stdint.h>

// The CPU that runs the calling thread, or -1. No system call.
int32_t apusp_current_cpu(void);

// Moves the calling thread to another of the CPUs that it may run on, if there is one. These stay as they are: afterwards the
// system may move it back.
void apusp_leave_cpu(int32_t cpu);

#endif
