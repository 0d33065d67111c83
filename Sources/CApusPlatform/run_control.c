#include "run_control.h"

#include <stdlib.h>

#include "apusp_status.h"

static uint64_t load(const apusp_run_control *control) {
  return atomic_load_explicit(&((apusp_run_control *)control)->word, memory_order_acquire);
}

apusp_run_control *apusp_run_control_create(void) {
  apusp_run_control *control = malloc(sizeof *control);
  if (control) atomic_init(&control->word, APUSP_RUN_IDLE);
  return control;
}

void apusp_run_control_destroy(apusp_run_control *control) { free(control); }

int32_t apusp_run_control_begin(apusp_run_control *control) {
  uint64_t word = load(control);
  if ((word & APUSP_RUN_STATE_MASK) != APUSP_RUN_IDLE) return APUSP_BUSY;
  uint64_t next = ((word | APUSP_RUN_STATE_MASK) + 1) | APUSP_RUN_RUNNING;
  bool ours = atomic_compare_exchange_strong_explicit(&control->word, &word, next, memory_order_acq_rel,
                                                      memory_order_relaxed);
  return ours ? APUSP_OK : APUSP_BUSY;
}

void apusp_run_control_end(apusp_run_control *control) {
  atomic_fetch_and_explicit(&control->word, ~(uint64_t)APUSP_RUN_STATE_MASK, memory_order_release);
}

bool apusp_run_control_cancel(apusp_run_control *control) {
  uint64_t word = load(control);
  if ((word & APUSP_RUN_STATE_MASK) == APUSP_RUN_RUNNING) {
    uint64_t cancelled = (word & ~(uint64_t)APUSP_RUN_STATE_MASK) | APUSP_RUN_CANCELLED;
    if (atomic_compare_exchange_strong_explicit(&control->word, &word, cancelled, memory_order_acq_rel,
                                                memory_order_acquire))
      return true;
    // The word changed under us: another cancel of the same run counts as ours, the end of the run does not.
    return word == cancelled;
  }
  return (word & APUSP_RUN_STATE_MASK) == APUSP_RUN_CANCELLED;
}

bool apusp_run_control_is_running(const apusp_run_control *control) {
  return (load(control) & APUSP_RUN_STATE_MASK) != APUSP_RUN_IDLE;
}

bool apusp_run_control_is_cancelled(const apusp_run_control *control) {
  return apusp_run_control_cancelled_now(control);
}
