// A thread of the pool: named, with a small stack, and left alone by the host's signals.
#ifndef APUSP_WORKER_THREAD_H
#define APUSP_WORKER_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct apusp_worker_thread {
  pthread_t thread;
  void (*main)(void *argument, int32_t index);
  void *argument;
  int32_t index;
} apusp_worker_thread;

// Starts main(argument, index), which the caller has filled in, on a new thread called "apus-<index>" in the kernels'
// floating-point mode. `thread` must stay where it is until the join. False where the system gives no thread.
bool apusp_worker_thread_start(apusp_worker_thread *thread);
void apusp_worker_thread_join(apusp_worker_thread *thread);

#endif
