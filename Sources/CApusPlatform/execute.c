#include "apusp_execute.h"

#include "apusp_clock.h"
#include "apusp_fp.h"
#include "apusp_status.h"
#include "run_control.h"

enum {
  // A step is cut into up to this many chunks a thread, so that threads which start late or run slowly are made up for.
  chunks_per_thread = 4
};

// Why the run should stop now, or 0.
static inline int32_t interruption(const apusp_execution *execution) {
  if (execution->control && apusp_run_control_cancelled_now(execution->control)) return APUSP_CANCELLED;
  if (execution->deadline != 0 && apusp_clock_now() >= execution->deadline) return APUSP_DEADLINE_EXCEEDED;
  return APUSP_OK;
}

// --- A step on several threads ---

typedef struct split {
  _Alignas(64) const apusp_execution *execution;  // all of it in one line of a cache, which workers fetch
  const apusp_step *step;
  int64_t chunks;
  int64_t phase;
  uint64_t turn;
  // Chunks that begin here or later are not done. Lowered to the chunk of a fault, not to 0: those before it are done, so that
  // the lowest fault is found whatever the timing.
  _Atomic(int64_t) stop_at;
  _Atomic(int32_t) interrupted;
} split;

static void lower(_Atomic(int64_t) *bound, int64_t value) {
  int64_t now = atomic_load_explicit(bound, memory_order_relaxed);
  while (value < now &&
         !atomic_compare_exchange_weak_explicit(bound, &now, value, memory_order_relaxed, memory_order_relaxed)) {
  }
}

// Chunks of which none has over one unit more than another.
static int64_t first_unit_of(const split *split, int64_t chunk) {
  int64_t each = split->step->units / split->chunks, more = split->step->units % split->chunks;
  return chunk * each + chunk * more / split->chunks;
}

static void run_chunk(void *context, int32_t chunk, int32_t index) {
  split *split = context;
  const apusp_step *step = split->step;
  int64_t begin = first_unit_of(split, chunk);
  if (begin >= atomic_load_explicit(&split->stop_at, memory_order_relaxed)) return;
  int32_t interrupted = interruption(split->execution);
  if (interrupted != APUSP_OK) {
    atomic_store_explicit(&split->interrupted, interrupted, memory_order_relaxed);
    lower(&split->stop_at, 0);
    return;
  }
  int64_t end = first_unit_of(split, chunk + 1);
  apusp_worker *worker = &split->execution->workers[index];
  worker->phase = split->phase;
  worker->turn = split->turn;
  int32_t status = step->kernel(step->args, begin, end, worker);
  if (status != APUSP_OK) {
    worker->status = status;
    worker->failed_at = begin;
    lower(&split->stop_at, begin);
  }
}

// Into how many chunks a step may be cut; 1 for one that is not worth splitting. A chunk is a grain at least, several times
// what sharing it out costs; but half a grain is enough for each of two.
static int64_t most_chunks_of(const apusp_step *step) {
  int64_t grain = step->grain > 1 ? step->grain : 1, chunks = step->units / grain;
  if (chunks > 1) return chunks;
  return step->units > 1 && step->units >= grain / 2 + grain % 2 ? 2 : 1;
}

static int32_t run_split(const apusp_execution *execution, const apusp_step *step, int64_t phase, uint64_t turn,
                         int64_t chunks, int32_t threads, const apusp_worker **failed) {
  split split = {
      .execution = execution, .step = step, .chunks = chunks, .phase = phase, .turn = turn, .stop_at = INT64_MAX,
  };
  apusp_pool_fork(execution->pool, (int32_t)chunks, run_chunk, &split);
  if (atomic_load_explicit(&split.stop_at, memory_order_relaxed) == INT64_MAX) return APUSP_OK;

  for (int32_t i = 0; i < threads; i++) {
    const apusp_worker *worker = &execution->workers[i];
    if (worker->status != APUSP_OK && (!*failed || worker->failed_at < (*failed)->failed_at)) *failed = worker;
  }
  return *failed ? (*failed)->status : atomic_load_explicit(&split.interrupted, memory_order_relaxed);
}

// --- All steps ---

static int32_t run_alone(const apusp_execution *execution, const apusp_step *step, int64_t phase,
                         const apusp_worker **failed) {
  apusp_worker *worker = &execution->workers[0];
  worker->phase = phase;
  worker->turn = 0;
  int32_t status = step->kernel(step->args, 0, step->units, worker);
  if (status != APUSP_OK) *failed = worker;
  return status;
}

static int32_t run_step(const apusp_execution *execution, const apusp_step *step, uint64_t turn, int32_t threads,
                        const apusp_worker **failed) {
  if (step->units <= 0) return APUSP_OK;
  int64_t chunks = threads > 1 ? most_chunks_of(step) : 1;
  if (chunks > threads * chunks_per_thread) chunks = threads * chunks_per_thread;
  if (chunks > threads && chunks < step->units) chunks -= chunks % threads;
  int32_t status = APUSP_OK;
  for (int64_t phase = 0; phase == 0 || phase < step->phases; phase++) {
    if (phase > 0) status = interruption(execution);
    if (status != APUSP_OK) break;
    status = chunks > 1 ? run_split(execution, step, phase, turn, chunks, threads, failed)
                        : run_alone(execution, step, phase, failed);
    if (status != APUSP_OK) break;
  }
  return status;
}

// The first turn of an execution on several threads, whose steps number theirs on from it. Scratch that another session had
// before may hold one of its turns, so none comes a second time in the process.
static uint64_t first_turn(int64_t steps) {
  static _Atomic(uint64_t) taken;
  return atomic_fetch_add_explicit(&taken, (uint64_t)steps, memory_order_relaxed) + 1;
}

// Looks like no other data that lies in scratch. One to one, 0 for 0 alone.
static uint64_t scattered(uint64_t turn) { return turn * 0x9e3779b97f4a7c15u; }

// How many chunks there are to share out, counted as far as it takes to see that they are many.
static int64_t chunks_to_share(const apusp_execution *execution) {
  const int64_t many = 1024;
  int64_t all = 0;
  for (int64_t i = 0; i < execution->count && all < many; i++) {
    const apusp_step *step = &execution->steps[i];
    int64_t chunks = most_chunks_of(step);
    if (chunks > 1) all += chunks < many && step->phases < many ? chunks * (step->phases > 1 ? step->phases : 1) : many;
  }
  return all;
}

int32_t apusp_execute(const apusp_execution *execution, apusp_outcome *outcome) {
  *outcome = (apusp_outcome){0};
  if (execution->worker_count < 1 || !execution->workers) return outcome->status = APUSP_INVALID_ARGUMENT;
  int32_t entered = 0;
  if (execution->pool && apusp_pool_threads(execution->pool) <= execution->worker_count) {
    int64_t chunks = chunks_to_share(execution);
    if (chunks > 0) entered = apusp_pool_enter(execution->pool, chunks);
  }
  int32_t threads = entered > 1 ? entered : 1;
  for (int32_t i = 0; i < threads; i++) {
    execution->workers[i].status = APUSP_OK;
    execution->workers[i].fault.code = 0;
  }

  uint64_t mode = apusp_fp_enter(), turn = threads > 1 ? first_turn(execution->count) : 0;
  const apusp_worker *failed = NULL;
  int32_t status = APUSP_OK;
  int64_t i = 0;
  for (; i < execution->count; i++) {
    status = interruption(execution);
    if (status != APUSP_OK) break;
    uint64_t start = execution->profile ? apusp_clock_now() : 0;
    status = run_step(execution, &execution->steps[i], scattered(turn + (uint64_t)i), threads, &failed);
    if (execution->profile) execution->profile[i] += apusp_clock_now() - start;
    if (status != APUSP_OK) break;
    if (execution->progress) {
      execution->progress(execution->progress_user, execution->steps_before + i + 1,
                          execution->steps_of_run > 0 ? execution->steps_of_run : execution->count);
    }
  }
  apusp_fp_leave(mode);
  if (entered > 0) apusp_pool_leave(execution->pool);

  outcome->status = status;
  outcome->step = i;
  if (failed) outcome->fault = failed->fault;
  return status;
}
