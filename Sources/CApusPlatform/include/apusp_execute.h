// Runs a prepared program: a flat array of steps, in order.
#ifndef APUSP_EXECUTE_H
#define APUSP_EXECUTE_H

#include "apusp_base.h"
#include "apusp_pool.h"
#include "apusp_run_control.h"
#include "apusp_step.h"

APUSP_BEGIN

// All that one execution needs. Optional parts are NULL or 0.
typedef struct apusp_execution {
  const apusp_step *APUSP_NULLABLE steps;
  int64_t count;

  // One for each thread that may take part, with its scratch; workers[0] is the calling thread. At least one. A pool
  // with more threads than worker_count is not used.
  apusp_worker *APUSP_NULLABLE workers;
  int32_t worker_count;
  apusp_pool *APUSP_NULLABLE pool;

  // Looked at before each step, each phase and each chunk.
  const apusp_run_control *APUSP_NULLABLE control;
  uint64_t deadline;  // a time of apusp_clock_now, 0 for none; looked at before each step, phase and chunk

  // count entries: the nanoseconds that each step took are added to its entry.
  uint64_t *APUSP_NULLABLE profile;

  // Called on the calling thread after each step, in the kernels' floating-point mode. Of a run of several executions all steps
  // count: `steps_before` are done already, and there are `steps_of_run`, or where that is 0 `count`.
  void (*APUSP_NULLABLE progress)(void *APUSP_NULLABLE user, int64_t steps_done, int64_t steps);
  void *APUSP_NULLABLE progress_user;
  int64_t steps_before, steps_of_run;
} apusp_execution;

// How an execution ended.
typedef struct apusp_outcome {
  int32_t status;     // 0, 202 (cancelled), 203 (deadline exceeded), or the status of the kernel that failed
  int64_t step;       // the step that failed or was not started or finished; count where status is 0
  apusp_fault fault;  // what the failing kernel wrote; code is 0 where it wrote nothing
} apusp_outcome;

// Runs the steps in order and returns outcome->status. A step that is not worth splitting, or without a pool, runs on the
// calling thread; others are split in chunks over the pool, which is entered once for the whole run. The first fault ends the
// run: the one of the lowest unit in the step, whatever the number of threads.
//
// Sets the floating-point mode on each thread and restores the caller's. Allocates nothing, takes no lock, and with one
// thread makes no system call; the clock is read only for a deadline or a profile.
int32_t apusp_execute(const apusp_execution *APUSP_NONNULL execution, apusp_outcome *APUSP_NONNULL outcome);

APUSP_END
#endif
