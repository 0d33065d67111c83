#include "apusp_execute.h"

#include "apusp_clock.h"
#include "apusp_fp.h"
#include "apusp_status.h"
#include "run_control.h"

// A step is cut into this many chunks a thread, so that threads which start late or run slowly are made up for.
enum { chunks_per_thread = 4 };

// Why the run should stop now, or 0.
static inline int32_t interruption(const apusp_execution *execution) {
  if (execution->control && apusp_run_control_cancelled_now(execution->control)) return APUSP_CANCELLED;
  if (execution->deadline != 0 && apusp_clock_now() >= execution->deadline) return APUSP_DEADLINE_EXCEEDED;
  return APUSP_OK;
}

// --- A step on several threads ---

typedef struct split {
  const apusp_execution *execution;
  const apusp_step *step;
  int64_t chunk_units;
  // Chunks that begin here or later are not done. Lowered to the chunk of a fault, not to 0: the chunks before it, all
  // claimed already, are finished, so that the lowest fault is found whatever the timing.
  _Atomic(int64_t) stop_at;
  _Atomic(int32_t) interrupted;
} split;

static void lower(_Atomic(int64_t) *bound, int64_t value) {
  int64_t now = atomic_load_explicit(bound, memory_order_relaxed);
  while (value < now &&
         !atomic_compare_exchange_weak_explicit(bound, &now, value, memory_order_relaxed, memory_order_relaxed)) {
  }
}

static void run_chunk(void *context, int32_t chunk, int32_t index) {
  split *split = context;
  const apusp_step *step = split->step;
  int64_t begin = chunk * split->chunk_units;
  if (begin >= atomic_load_explicit(&split->stop_at, memory_order_relaxed)) return;
  int32_t interrupted = interruption(split->execution);
  if (interrupted != APUSP_OK) {
    atomic_store_explicit(&split->interrupted, interrupted, memory_order_relaxed);
    lower(&split->stop_at, 0);
    return;
  }
  int64_t left = step->units - begin;
  int64_t end = begin + (left < split->chunk_units ? left : split->chunk_units);
  apusp_worker *worker = &split->execution->workers[index];
  int32_t status = step->kernel(step->args, begin, end, worker);
  if (status != APUSP_OK) {
    worker->status = status;
    worker->failed_at = begin;
    lower(&split->stop_at, begin);
  }
}

static int32_t run_split(const apusp_execution *execution, const apusp_step *step, int64_t phase, int32_t threads,
                         const apusp_worker **failed) {
  int64_t chunk_units = (step->units - 1) / (threads * chunks_per_thread) + 1;
  if (chunk_units < step->grain) chunk_units = step->grain;
  split split = {.execution = execution, .step = step, .chunk_units = chunk_units, .stop_at = INT64_MAX};
  for (int32_t i = 0; i < threads; i++) {
    execution->workers[i].status = APUSP_OK;
    execution->workers[i].phase = phase;
    execution->workers[i].fault.code = 0;
  }
  apusp_pool_run(execution->pool, (int32_t)((step->units - 1) / chunk_units + 1), run_chunk, &split);

  for (int32_t i = 0; i < threads; i++) {
    const apusp_worker *worker = &execution->workers[i];
    if (worker->status != APUSP_OK && (!*failed || worker->failed_at < (*failed)->failed_at)) *failed = worker;
  }
  return *failed ? (*failed)->status : atomic_load_explicit(&split.interrupted, memory_order_relaxed);
}

// --- All steps ---

static int32_t run_phase(const apusp_execution *execution, const apusp_step *step, int64_t phase, int32_t threads,
                         const apusp_worker **failed) {
  if (threads > 1 && step->units > step->grain) return run_split(execution, step, phase, threads, failed);
  apusp_worker *worker = &execution->workers[0];
  worker->fault.code = 0;
  worker->phase = phase;
  int32_t status = step->kernel(step->args, 0, step->units, worker);
  if (status != APUSP_OK) *failed = worker;
  return status;
}

static int32_t run_step(const apusp_execution *execution, const apusp_step *step, int32_t threads,
                        const apusp_worker **failed) {
  if (step->units <= 0) return APUSP_OK;
  int32_t status = run_phase(execution, step, 0, threads, failed);
  for (int64_t phase = 1; phase < step->phases && status == APUSP_OK; phase++) {
    status = interruption(execution);
    if (status == APUSP_OK) status = run_phase(execution, step, phase, threads, failed);
  }
  return status;
}

int32_t apusp_execute(const apusp_execution *execution, apusp_outcome *outcome) {
  *outcome = (apusp_outcome){0};
  if (execution->worker_count < 1 || !execution->workers) return outcome->status = APUSP_INVALID_ARGUMENT;
  int32_t threads = execution->pool ? apusp_pool_threads(execution->pool) : 1;
  if (threads > execution->worker_count) threads = 1;

  uint64_t mode = apusp_fp_enter();
  const apusp_worker *failed = NULL;
  int32_t status = APUSP_OK;
  int64_t i = 0;
  for (; i < execution->count; i++) {
    status = interruption(execution);
    if (status != APUSP_OK) break;
    uint64_t start = execution->profile ? apusp_clock_now() : 0;
    status = run_step(execution, &execution->steps[i], threads, &failed);
    if (execution->profile) execution->profile[i] += apusp_clock_now() - start;
    if (status != APUSP_OK) break;
    if (execution->progress) execution->progress(execution->progress_user, i + 1, execution->count);
  }
  apusp_fp_leave(mode);

  outcome->status = status;
  outcome->step = i;
  if (failed) outcome->fault = failed->fault;
  return status;
}
