// A pool of threads that models share. The caller is always worker 0 and runs what nobody else took.
#ifndef APUSP_POOL_H
#define APUSP_POOL_H

#include "apusp_base.h"
#include "apusp_memory.h"

APUSP_BEGIN

// Reference counted. One caller at a time has the workers; a caller that finds them taken (by another thread, or by itself
// further up its stack) does its work alone instead of waiting.
//
// Workers spin between the jobs of a run and for 50 us after it, where each thread has a CPU to itself, and then sleep. They
// keep off the CPU that the caller runs on. They are called "apus-1", "apus-2", ..., block all signals, run
// in the kernels' floating-point mode and have small stacks (512 KiB).
//
// After fork() the child has no workers: its calls do their work alone, and releasing the pool there is allowed.
typedef struct apusp_pool apusp_pool;

// Does the part `chunk` of a job. `worker` is smaller than apusp_pool_threads and no two parts that run at the same
// time have the same; the calling thread is worker 0.
typedef void (*apusp_pool_body)(void *APUSP_NULLABLE context, int32_t chunk, int32_t worker);

// The host's own threads in place of ours.
typedef struct apusp_parallel_for {
  void *APUSP_NULLABLE user;
  int32_t threads;  // the most bodies that run at a time, the caller's thread included
  // Calls body(context, i) once for each i in 0 ..< count, on any threads, in any order, and returns when all are
  // done. May run them one after another. `count` is at most `threads`.
  void (*APUSP_NULLABLE run)(void *APUSP_NULLABLE user, int32_t count,
                             void (*APUSP_NONNULL body)(void *APUSP_NULLABLE context, int32_t index),
                             void *APUSP_NULLABLE context);
} apusp_parallel_for;

// A new pool of `threads` threads with one reference: the caller and threads - 1 workers. 0 means
// apusp_cpu_usable_count(). The pool keeps a reference to `memory`.
// Returns 0, 100 (threads < 0 or > 1024), 300, 301, or 304 where the system gives no thread.
APUSP_NODISCARD int32_t apusp_pool_create(apusp_memory *APUSP_NONNULL memory, int32_t threads,
                                          apusp_pool *APUSP_NULLABLE *APUSP_NONNULL pool);

// A pool over the host's threads. `host` is copied. Returns 0, 100 (no run function, threads outside 1 ... 1024), 300, 301.
APUSP_NODISCARD int32_t apusp_pool_create_host(apusp_memory *APUSP_NONNULL memory,
                                               const apusp_parallel_for *APUSP_NONNULL host,
                                               apusp_pool *APUSP_NULLABLE *APUSP_NONNULL pool);

void apusp_pool_retain(apusp_pool *APUSP_NONNULL pool);

// The last release stops and joins the workers; it must not come from inside a body.
void apusp_pool_release(apusp_pool *APUSP_NONNULL pool);

// How many threads work at a time, the caller included.
int32_t apusp_pool_threads(const apusp_pool *APUSP_NONNULL pool);

// Calls body(context, chunk, worker) once for each chunk in 0 ..< chunks (from 2^30 on: on the calling thread alone)
// and returns when all are done. Each thread has a share of neighbouring chunks, and those of others when its own are done:
// a worker that does not come is not waited for. What was written before the call is seen by all bodies, what they wrote is
// seen after. NULL as pool, or chunks <= 1: on the calling thread alone. Never allocates.
void apusp_pool_run(apusp_pool *APUSP_NULLABLE pool, int32_t chunks, apusp_pool_body APUSP_NONNULL body,
                    void *APUSP_NULLABLE context);

// A run of several jobs, between which the workers stay awake: apusp_pool_enter, then apusp_pool_fork for each job, then
// apusp_pool_leave. A job costs well under a microsecond more than its chunks where the workers are awake.
//
// apusp_pool_enter answers with the number of threads to count on. It is 0, and nothing was entered, where the workers are
// another's. It is 1 where they sleep and the run is not worth waking them, and for a while after one kept the caller waiting
// because something else had its CPU; the run must be left all the same. `chunks` says how much there is to share out, in
// pieces of about 2.5 us: sleeping workers come too late for few of them. One run that follows another within 50 us is always
// worth it, and INT64_MAX has the workers in any case.
int32_t apusp_pool_enter(apusp_pool *APUSP_NULLABLE pool, int64_t chunks);

// apusp_pool_run for a caller that has entered; chunks is 1 ..< 2^30.
void apusp_pool_fork(apusp_pool *APUSP_NONNULL pool, int32_t chunks, apusp_pool_body APUSP_NONNULL body,
                     void *APUSP_NULLABLE context);
void apusp_pool_leave(apusp_pool *APUSP_NONNULL pool);

APUSP_END
#endif
