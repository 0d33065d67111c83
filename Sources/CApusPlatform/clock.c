#define _GNU_SOURCE
#include "apusp_clock.h"

#include <time.h>

uint64_t apusp_clock_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t nanoseconds = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  return nanoseconds != 0 ? nanoseconds : 1;
}
