// The word behind apusp_run_control, for the executor's check before each step.
#ifndef APUSP_RUN_CONTROL_INTERNAL_H
#define APUSP_RUN_CONTROL_INTERNAL_H

#include <stdatomic.h>

#include "apusp_run_control.h"

// The low two bits are the state, the rest the generation of the run. A cancel changes exactly the word that it saw, so
// a request that is late by one run fails instead of hitting the next.
enum { APUSP_RUN_IDLE = 0, APUSP_RUN_RUNNING = 1, APUSP_RUN_CANCELLED = 2, APUSP_RUN_STATE_MASK = 3 };

struct apusp_run_control {
  _Atomic(uint64_t) word;
};

static inline bool apusp_run_control_cancelled_now(const apusp_run_control *control) {
  uint64_t word = atomic_load_explicit(&((apusp_run_control *)control)->word, memory_order_relaxed);
  return (word & APUSP_RUN_STATE_MASK) == APUSP_RUN_CANCELLED;
}

#endif
