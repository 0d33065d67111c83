#define _GNU_SOURCE
#include "apusp_pool.h"

#include <stdatomic.h>
#include <unistd.h>

#include "apusp_clock.h"
#include "apusp_cpu.h"
#include "apusp_fp.h"
#include "apusp_status.h"
#include "cpu_placement.h"
#include "futex.h"
#include "worker_thread.h"

// A job's chunks are shared out beforehand: each thread has a share of its own, a range of chunks that it takes from the
// front; a thread whose share is empty takes from the back of the others'. So in the next job of the same size each thread
// has the data in its cache that it had before, and the caller does what a worker that does not come has left.
//
// A job is published by writing its parts into each share, then the share's range, then its count of jobs. A thread takes a
// chunk by exchanging a share's range, and only then reads the job's parts: they can not change before the chunk is counted as
// finished. So a worker that comes late, after any number of other jobs, either finds nothing or takes a chunk of the job of
// the day.
//
// Between CPUs that share no cache each line that one writes and the other reads costs 200 ns. A job takes two of them one
// after the other: what a thread is to do, and how much it has done.
typedef struct share {
  _Alignas(64) _Atomic(uint64_t) range;  // first chunk << 32 | end
  _Atomic(uint32_t) job;                 // a count of jobs, that the worker looks at while it spins
  apusp_pool_body body;
  _Atomic(void *) context;

  _Alignas(64) _Atomic(uint32_t) done;  // chunks of all jobs that this thread has finished
} share;

struct apusp_pool {
  apusp_memory *memory;
  size_t bytes;  // of this object
  int32_t threads;
  bool spins;               // there is a CPU for each thread
  apusp_parallel_for host;  // run is NULL where the workers are ours
  pid_t creator;            // the process whose threads the workers are
  apusp_worker_thread *workers;  // workers[i] is worker i + 1
  _Atomic(int64_t) references;

  _Alignas(64) _Atomic(bool) taken;  // by the one caller whose run this is
  uint64_t left_at;                  // when the last run ended
  uint64_t woken_at;                 // when workers were last woken
  uint64_t alone_until;              // runs before that do without workers

  uint32_t jobs;                     // so far
  uint32_t done;                     // chunks of all jobs that other threads than the caller have finished

  _Alignas(64) _Atomic(int32_t) caller_cpu;  // where the run was begun; -1 between runs
  _Atomic(uint32_t) caller_sleeps;           // 1 where it does, on this word
  _Atomic(int32_t) sleepers;                 // workers that sleep or are about to
  _Atomic(uint32_t) wakes;                    // a count that workers sleep on
  _Atomic(bool) stopping;

  share shares[];  // one a thread
};

enum {
  maximum_threads = 1024,
  // How long a thread spins for want of work before it sleeps, in nanoseconds. To wake a thread takes about 50 us on a
  // virtual machine: who spins that long pays at most twice what was needed. Inside a run the next job is sure to come.
  spin_after_run = 50000,
  spin_inside_run = 200000,
  pauses_per_look = 16,  // at the clock
  // In chunks of about 2.5 us: what a run must hold for sleeping workers to be woken. Less is done before they
  // come; but where one run follows the other closely they will be awake for the next.
  work_worth_waking = 24,
  // Where something else has the CPUs a worker may lose its own in the middle of a chunk, and the caller waits for
  // milliseconds. It then does without workers for so many times as long, so that this costs a small part of the time.
  alone_per_wait = 8
};

// --- Claiming and finishing ---

static uint64_t range_of(uint32_t first, uint32_t end) { return (uint64_t)first << 32 | end; }

// Takes a chunk from the front or the back of a share. Returns its number or -1.
static int32_t take_from(share *share, bool front) {
  uint64_t range = atomic_load_explicit(&share->range, memory_order_relaxed);
  for (;;) {
    uint32_t first = (uint32_t)(range >> 32), end = (uint32_t)range;
    if (first >= end) return -1;
    uint64_t rest = front ? range_of(first + 1, end) : range_of(first, end - 1);
    if (atomic_compare_exchange_weak_explicit(&share->range, &range, rest, memory_order_acquire, memory_order_relaxed))
      return (int32_t)(front ? first : end - 1);
  }
}

// A thread's next chunk, and the share that it is from.
typedef struct claimed {
  int32_t chunk;  // -1 where there is none left
  const share *from;
} claimed;

static claimed claim(apusp_pool *pool, int32_t thread) {
  claimed next = {take_from(&pool->shares[thread], true), &pool->shares[thread]};
  for (int32_t i = 1; i < pool->threads && next.chunk < 0; i++) {
    int32_t other = thread + i < pool->threads ? thread + i : thread + i - pool->threads;
    next = (claimed){take_from(&pool->shares[other], false), &pool->shares[other]};
  }
  return next;
}

// Does a chunk and all that can be claimed after it. Returns how many these were.
static uint32_t work(apusp_pool *pool, claimed next, int32_t thread) {
  uint32_t done = 0;
  for (; next.chunk >= 0; next = claim(pool, thread), done++) {
    next.from->body(atomic_load_explicit(&next.from->context, memory_order_relaxed), next.chunk, thread);
  }
  return done;
}

// Counts chunks as finished on a thread other than the caller's.
static void finish(apusp_pool *pool, uint32_t done, int32_t thread) {
  // Sequentially consistent, as is the caller's side: either it sees the count, or we see that it sleeps.
  atomic_fetch_add(&pool->shares[thread].done, done);
  if (atomic_load(&pool->caller_sleeps) != 0 && atomic_exchange(&pool->caller_sleeps, 0) != 0) {
    apusp_futex_wake(&pool->caller_sleeps, 1);
  }
}

// Whether the others have finished `chunks` of this job.
static bool others_have_done(const apusp_pool *pool, uint32_t chunks) {
  uint32_t all = 0;
  for (int32_t i = 0; i < pool->threads; i++) all += atomic_load(&pool->shares[i].done);
  return all - pool->done == chunks;
}

// Waits for the chunks that workers have begun. It spins for at most half as long as the job has taken so far, or as sleeping
// is not worth while.
static void wait_for(apusp_pool *pool, uint32_t chunks, uint64_t began) {
  uint64_t until = 0;
  while (pool->spins) {
    for (int i = 0; i < pauses_per_look; i++) {
      if (others_have_done(pool, chunks)) return;
      apusp_pause();
    }
    uint64_t now = apusp_clock_now();
    if (until == 0) until = now + ((now - began) / 2 > spin_after_run ? (now - began) / 2 : spin_after_run);
    if (now >= until) break;
  }
  if (others_have_done(pool, chunks)) return;
  uint64_t slept_at = apusp_clock_now();
  for (;;) {
    atomic_store(&pool->caller_sleeps, 1);
    if (others_have_done(pool, chunks)) break;
    apusp_futex_wait(&pool->caller_sleeps, 1);
  }
  atomic_store(&pool->caller_sleeps, 0);
  uint64_t now = apusp_clock_now();
  pool->alone_until = now + alone_per_wait * (now - slept_at);
}

// --- Workers ---

static bool is_stopping(apusp_pool *pool) { return atomic_load_explicit(&pool->stopping, memory_order_relaxed); }

// Moves a worker that the system has put on the caller's CPU to another one: there it would hold up the caller.
static void keep_off_the_callers_cpu(apusp_pool *pool) {
  int32_t cpu = atomic_load_explicit(&pool->caller_cpu, memory_order_relaxed);
  if (pool->spins && cpu >= 0 && apusp_current_cpu() == cpu) apusp_leave_cpu(cpu);
}

// Spins until the worker's share is of another job than `seen`. False where none has come in good time.
static bool spin_for_job(apusp_pool *pool, const share *own, uint32_t seen) {
  if (!pool->spins) return false;
  for (uint64_t began = 0;;) {
    for (int i = 0; i < pauses_per_look; i++) {
      apusp_pause();
      if (atomic_load_explicit(&own->job, memory_order_acquire) != seen) return true;
    }
    if (is_stopping(pool)) return true;
    keep_off_the_callers_cpu(pool);
    uint64_t now = apusp_clock_now();
    bool inside_run = atomic_load_explicit(&pool->caller_cpu, memory_order_relaxed) >= 0;
    if (began == 0) began = now;
    if (now - began >= (inside_run ? spin_inside_run : spin_after_run)) return false;
  }
}

static void sleep_until_woken(apusp_pool *pool, const share *own, uint32_t seen) {
  uint32_t wakes = atomic_load(&pool->wakes);
  atomic_fetch_add(&pool->sleepers, 1);
  if (atomic_load(&own->job) == seen && !atomic_load(&pool->stopping)) apusp_futex_wait(&pool->wakes, wakes);
  atomic_fetch_sub(&pool->sleepers, 1);
}

static void worker_main(void *argument, int32_t index) {
  apusp_pool *pool = argument;
  const share *own = &pool->shares[index];
  for (uint32_t seen = 0; !is_stopping(pool);) {
    uint32_t job = atomic_load_explicit(&own->job, memory_order_acquire);
    if (job != seen) {
      seen = job;
      // What the job reads first comes while the share is claimed; it may be another's by now.
      __builtin_prefetch(atomic_load_explicit(&own->context, memory_order_relaxed));
      claimed next = claim(pool, index);
      if (next.chunk < 0) continue;
      apusp_fp_enter();  // again for each job: a custom kernel may have left another mode
      finish(pool, work(pool, next, index), index);
    } else if (!spin_for_job(pool, own, seen)) {
      sleep_until_woken(pool, own, seen);
      keep_off_the_callers_cpu(pool);
    }
  }
}

// Wakes up to `wanted` of the sleepers, of which there are some.
static void wake_workers(apusp_pool *pool, int32_t sleepers, int32_t wanted, uint64_t now) {
  pool->woken_at = now;
  atomic_fetch_add(&pool->wakes, 1);
  apusp_futex_wake(&pool->wakes, sleepers < wanted ? sleepers : wanted);
}

// What a thread of the host does.
static void host_body(void *context, int32_t index) {
  apusp_pool *pool = context;
  if (index < 0 || index >= pool->threads) return;
  claimed next = claim(pool, index);
  if (next.chunk < 0) return;
  uint64_t mode = apusp_fp_enter();
  uint32_t done = work(pool, next, index);
  apusp_fp_leave(mode);
  finish(pool, done, index);
}

// --- Running ---

static bool take(apusp_pool *pool) {
  return !atomic_load_explicit(&pool->taken, memory_order_relaxed) &&
         !atomic_exchange_explicit(&pool->taken, true, memory_order_acquire);
}

int32_t apusp_pool_enter(apusp_pool *pool, int64_t chunks) {
  if (!pool || pool->threads <= 1 || !take(pool)) return 0;
  if (pool->host.run) return pool->threads;
  if (pool->alone_until != 0 && chunks < INT64_MAX) {
    if (apusp_clock_now() < pool->alone_until) return 1;
    pool->alone_until = 0;
  }
  atomic_store_explicit(&pool->caller_cpu, apusp_current_cpu(), memory_order_relaxed);
  int32_t sleepers = atomic_load_explicit(&pool->sleepers, memory_order_relaxed);
  if (sleepers == 0) return pool->threads;
  uint64_t now = apusp_clock_now();
  if (chunks >= work_worth_waking || now - pool->left_at < spin_after_run) {
    wake_workers(pool, sleepers, chunks < pool->threads ? (int32_t)chunks : pool->threads - 1, now);
  } else if (sleepers == pool->threads - 1) {
    return 1;
  }
  return pool->threads;
}

void apusp_pool_leave(apusp_pool *pool) {
  pool->left_at = apusp_clock_now();
  atomic_store_explicit(&pool->caller_cpu, -1, memory_order_relaxed);
  atomic_store_explicit(&pool->taken, false, memory_order_release);
}

// Wakes workers that fell asleep inside the run. One that sleeps so soon after it was woken is still on its way. One that is
// about to sleep may miss a job, not the next; that costs less than to wait until the job is written where it can see it, but
// where all sleep after each job.
static void wake_for_job(apusp_pool *pool, int32_t wanted, uint64_t now) {
  if (!pool->spins) atomic_thread_fence(memory_order_seq_cst);
  int32_t sleepers = atomic_load_explicit(&pool->sleepers, memory_order_relaxed);
  if (sleepers > 0 && (!pool->spins || now - pool->woken_at >= spin_after_run)) wake_workers(pool, sleepers, wanted, now);
}

void apusp_pool_fork(apusp_pool *pool, int32_t chunks, apusp_pool_body body, void *context) {
  uint32_t threads = (uint32_t)pool->threads, each = (uint32_t)chunks / threads, more = (uint32_t)chunks % threads;
  uint32_t end = (uint32_t)chunks;
  // The caller's first chunk is taken already, but where a call of the host's may be what does it.
  const uint32_t taken = pool->host.run ? 0 : 1;
  pool->jobs++;
  for (uint32_t i = threads; i-- > 0;) {
    share *share = &pool->shares[i];
    uint32_t first = end - each - (i < more);
    share->body = body;
    atomic_store_explicit(&share->context, context, memory_order_relaxed);
    atomic_store_explicit(&share->range, range_of(first + (i == 0 ? taken : 0), end), memory_order_release);
    atomic_store_explicit(&share->job, pool->jobs, memory_order_release);
    end = first;
  }
  uint64_t began = apusp_clock_now();
  if (pool->host.run) {
    pool->host.run(pool->host.user, chunks < pool->threads ? chunks : pool->threads, host_body, pool);
  } else {
    wake_for_job(pool, chunks - 1, began);
  }
  claimed first = {0, &pool->shares[0]};
  uint32_t others = (uint32_t)chunks - work(pool, taken > 0 ? first : claim(pool, 0), 0);
  wait_for(pool, others, began);
  pool->done += others;
}

void apusp_pool_run(apusp_pool *pool, int32_t chunks, apusp_pool_body body, void *context) {
  if (chunks <= 1 || (uint32_t)chunks >= 1u << 30 || apusp_pool_enter(pool, INT64_MAX) == 0) {
    for (int32_t chunk = 0; chunk < chunks; chunk++) body(context, chunk, 0);
    return;
  }
  apusp_pool_fork(pool, chunks, body, context);
  apusp_pool_leave(pool);
}

int32_t apusp_pool_threads(const apusp_pool *pool) { return pool->threads; }

// --- Life ---

static int32_t create(apusp_memory *memory, int32_t threads, int32_t workers, apusp_pool **pool) {
  int32_t status;
  size_t shares_bytes = (size_t)threads * sizeof(share);
  size_t bytes = sizeof(apusp_pool) + shares_bytes + (size_t)workers * sizeof(apusp_worker_thread);
  apusp_pool *created = apusp_allocate(memory, bytes, _Alignof(apusp_pool), &status);
  if (!created) return status;
  apusp_memory_retain(memory);
  created->memory = memory;
  created->bytes = bytes;
  created->threads = threads;
  created->host = (apusp_parallel_for){0};
  created->creator = getpid();
  created->spins = threads <= apusp_cpu_usable_count();
  created->workers = (apusp_worker_thread *)((char *)(created + 1) + shares_bytes);
  created->left_at = created->woken_at = created->alone_until = 0;
  atomic_init(&created->references, 1);
  atomic_init(&created->taken, false);
  created->jobs = created->done = 0;
  atomic_init(&created->caller_cpu, -1);
  atomic_init(&created->caller_sleeps, 0);
  atomic_init(&created->sleepers, 0);
  atomic_init(&created->wakes, 0);
  atomic_init(&created->stopping, false);
  for (int32_t i = 0; i < threads; i++) {
    atomic_init(&created->shares[i].range, 0);
    atomic_init(&created->shares[i].job, 0);
    atomic_init(&created->shares[i].done, 0);
  }
  *pool = created;
  return APUSP_OK;
}

static void dispose(apusp_pool *pool, int32_t workers_started) {
  if (workers_started > 0 && pool->creator == getpid()) {
    atomic_store(&pool->stopping, true);
    atomic_fetch_add(&pool->wakes, 1);
    apusp_futex_wake(&pool->wakes, maximum_threads);
    for (int32_t i = 0; i < workers_started; i++) apusp_worker_thread_join(&pool->workers[i]);
  }
  apusp_memory *memory = pool->memory;
  apusp_free(memory, pool, pool->bytes, _Alignof(apusp_pool));
  apusp_memory_release(memory);
}

int32_t apusp_pool_create(apusp_memory *memory, int32_t threads, apusp_pool **pool) {
  *pool = NULL;
  if (threads < 0 || threads > maximum_threads) return APUSP_INVALID_ARGUMENT;
  if (threads == 0) {
    threads = apusp_cpu_usable_count();
    if (threads > maximum_threads) threads = maximum_threads;
  }
  apusp_pool *created;
  int32_t status = create(memory, threads, threads - 1, &created);
  if (status != APUSP_OK) return status;
  for (int32_t i = 0; i < threads - 1; i++) {
    created->workers[i] = (apusp_worker_thread){.main = worker_main, .argument = created, .index = i + 1};
    if (!apusp_worker_thread_start(&created->workers[i])) {
      dispose(created, i);
      return APUSP_THREAD_CREATION;
    }
  }
  *pool = created;
  return APUSP_OK;
}

int32_t apusp_pool_create_host(apusp_memory *memory, const apusp_parallel_for *host, apusp_pool **pool) {
  *pool = NULL;
  if (!host->run || host->threads < 1 || host->threads > maximum_threads) return APUSP_INVALID_ARGUMENT;
  int32_t status = create(memory, host->threads, 0, pool);
  if (status == APUSP_OK) (*pool)->host = *host;
  return status;
}

void apusp_pool_retain(apusp_pool *pool) {
  atomic_fetch_add_explicit(&pool->references, 1, memory_order_relaxed);
}

void apusp_pool_release(apusp_pool *pool) {
  if (atomic_fetch_sub_explicit(&pool->references, 1, memory_order_acq_rel) != 1) return;
  dispose(pool, pool->host.run ? 0 : pool->threads - 1);
}
