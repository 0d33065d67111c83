#define _GNU_SOURCE
#include "cpu_placement.h"

#include <sched.h>

int32_t apusp_current_cpu(void) { return sched_getcpu(); }

void apusp_leave_cpu(int32_t cpu) {
  cpu_set_t allowed;
  if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(cpu, &others);
  if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
    sched_setaffinity(0, sizeof allowed, &allowed);
}
