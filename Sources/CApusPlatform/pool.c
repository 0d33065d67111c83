#define _GNU_SOURCE
#include "apusp_pool.h"

#include <stdatomic.h>
#include <unistd.h>

#include "apusp_cpu.h"
#include "apusp_fp.h"
#include "apusp_status.h"
#include "futex.h"
#include "worker_thread.h"

// A job is published by writing its parts and then `unclaimed`. A thread takes a chunk by counting `unclaimed` down, and
// only then reads the job's parts: they can not change before the chunk is counted as finished. So a worker that comes
// late, after any number of other jobs, either finds nothing or takes a chunk of the job of the day.
struct apusp_pool {
  apusp_memory *memory;
  size_t bytes;  // of this object
  int32_t threads;
  apusp_parallel_for host;  // run is NULL where the workers are ours
  pid_t creator;            // the process whose threads the workers are
  _Atomic(int64_t) references;

  _Alignas(64) _Atomic(bool) taken;  // by the one caller whose job this is
  apusp_pool_body body;
  void *context;
  int32_t chunks;

  _Alignas(64) _Atomic(int32_t) unclaimed;
  _Alignas(64) _Atomic(uint32_t) unfinished;  // chunks, and the bit below; the caller sleeps on it
  _Alignas(64) _Atomic(int32_t) sleepers;     // workers that sleep or are about to
  _Atomic(uint32_t) wakes;                    // a count that workers sleep on
  _Atomic(bool) stopping;

  apusp_worker_thread workers[];  // workers[i] is worker i + 1
};

enum {
  maximum_threads = 1024,
  // About 5 us on AMD and 14 us on Intel: long enough for the next step of a model, short enough to leave a shared
  // machine alone.
  spins = 300
};
static const uint32_t caller_sleeps = 1u << 30;

// --- Claiming and finishing ---

// The number of a chunk that is now the calling thread's to do, or -1.
static int32_t claim(apusp_pool *pool) {
  int32_t left = atomic_load_explicit(&pool->unclaimed, memory_order_relaxed);
  while (left > 0) {
    if (atomic_compare_exchange_weak_explicit(&pool->unclaimed, &left, left - 1, memory_order_acquire,
                                              memory_order_relaxed))
      return pool->chunks - left;
  }
  return -1;
}

// Does `chunk` and all that can be claimed after it. Returns how many these were.
static uint32_t work(apusp_pool *pool, int32_t chunk, int32_t worker) {
  uint32_t done = 0;
  for (; chunk >= 0; chunk = claim(pool), done++) pool->body(pool->context, chunk, worker);
  return done;
}

// Counts chunks as finished on a thread other than the caller's.
static void finish(apusp_pool *pool, uint32_t done) {
  uint32_t before = atomic_fetch_sub_explicit(&pool->unfinished, done, memory_order_acq_rel);
  if (before == (caller_sleeps | done)) apusp_futex_wake(&pool->unfinished, 1);
}

// Counts the caller's own chunks as finished and waits for the rest.
static void finish_and_wait(apusp_pool *pool, uint32_t done) {
  uint32_t left = atomic_fetch_sub_explicit(&pool->unfinished, done, memory_order_acq_rel) - done;
  for (int i = 0; i < spins && left != 0; i++) {
    apusp_pause();
    left = atomic_load_explicit(&pool->unfinished, memory_order_acquire);
  }
  while ((left & ~caller_sleeps) != 0) {
    if ((left & caller_sleeps) != 0 ||
        atomic_compare_exchange_strong_explicit(&pool->unfinished, &left, left | caller_sleeps, memory_order_acquire,
                                                memory_order_acquire)) {
      apusp_futex_wait(&pool->unfinished, left | caller_sleeps);
      left = atomic_load_explicit(&pool->unfinished, memory_order_acquire);
    }
  }
}

// --- Workers ---

static bool is_stopping(apusp_pool *pool) { return atomic_load(&pool->stopping); }

static void sleep_until_woken(apusp_pool *pool) {
  uint32_t seen = atomic_load(&pool->wakes);
  // Sequentially consistent, as is publish(): either the caller sees a sleeper, or we see the work.
  atomic_fetch_add(&pool->sleepers, 1);
  if (atomic_load(&pool->unclaimed) <= 0 && !is_stopping(pool)) apusp_futex_wait(&pool->wakes, seen);
  atomic_fetch_sub(&pool->sleepers, 1);
}

static void worker_main(void *argument, int32_t index) {
  apusp_pool *pool = argument;
  for (int idle = 0; !is_stopping(pool);) {
    int32_t chunk = claim(pool);
    if (chunk >= 0) {
      apusp_fp_enter();  // again for each job: a custom kernel may have left another mode
      finish(pool, work(pool, chunk, index));
      idle = 0;
    } else if (idle < spins) {
      apusp_pause();
      idle++;
    } else {
      sleep_until_woken(pool);
      idle = 0;
    }
  }
}

static void publish(apusp_pool *pool, int32_t chunks, apusp_pool_body body, void *context) {
  pool->body = body;
  pool->context = context;
  pool->chunks = chunks;
  atomic_store_explicit(&pool->unfinished, (uint32_t)chunks, memory_order_relaxed);
  atomic_store(&pool->unclaimed, chunks);
}

static void wake_workers(apusp_pool *pool, int32_t wanted) {
  int32_t sleepers = atomic_load(&pool->sleepers);
  if (sleepers == 0) return;
  atomic_fetch_add(&pool->wakes, 1);
  apusp_futex_wake(&pool->wakes, sleepers < wanted ? sleepers : wanted);
}

// What a thread of the host does.
static void host_body(void *context, int32_t index) {
  apusp_pool *pool = context;
  if (index < 0 || index >= pool->threads) return;
  int32_t chunk = claim(pool);
  if (chunk < 0) return;
  uint64_t mode = apusp_fp_enter();
  uint32_t done = work(pool, chunk, index);
  apusp_fp_leave(mode);
  finish(pool, done);
}

// --- Running ---

static bool take(apusp_pool *pool) {
  return !atomic_load_explicit(&pool->taken, memory_order_relaxed) &&
         !atomic_exchange_explicit(&pool->taken, true, memory_order_acquire);
}

void apusp_pool_run(apusp_pool *pool, int32_t chunks, apusp_pool_body body, void *context) {
  if (!pool || chunks <= 1 || pool->threads <= 1 || (uint32_t)chunks >= caller_sleeps || !take(pool)) {
    for (int32_t chunk = 0; chunk < chunks; chunk++) body(context, chunk, 0);
    return;
  }
  publish(pool, chunks, body, context);
  if (pool->host.run) {
    pool->host.run(pool->host.user, chunks < pool->threads ? chunks : pool->threads, host_body, pool);
  } else {
    wake_workers(pool, chunks - 1);
  }
  finish_and_wait(pool, work(pool, claim(pool), 0));
  atomic_store_explicit(&pool->taken, false, memory_order_release);
}

int32_t apusp_pool_threads(const apusp_pool *pool) { return pool->threads; }

// --- Life ---

static int32_t create(apusp_memory *memory, int32_t threads, int32_t workers, apusp_pool **pool) {
  int32_t status;
  size_t bytes = sizeof(apusp_pool) + (size_t)workers * sizeof(apusp_worker_thread);
  apusp_pool *created = apusp_allocate(memory, bytes, _Alignof(apusp_pool), &status);
  if (!created) return status;
  apusp_memory_retain(memory);
  created->memory = memory;
  created->bytes = bytes;
  created->threads = threads;
  created->host = (apusp_parallel_for){0};
  created->creator = getpid();
  atomic_init(&created->references, 1);
  atomic_init(&created->taken, false);
  atomic_init(&created->unclaimed, 0);
  atomic_init(&created->unfinished, 0);
  atomic_init(&created->sleepers, 0);
  atomic_init(&created->wakes, 0);
  atomic_init(&created->stopping, false);
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
