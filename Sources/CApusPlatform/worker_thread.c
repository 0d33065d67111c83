#define _GNU_SOURCE
#include "worker_thread.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "apusp_fp.h"

// Before glibc 2.34 these are in libpthread, which a program may not have loaded; libapus needs libc alone and refers to
// them weakly (tools/build-libapus). The pointers are volatile so that the test against NULL stays in the code.
static struct {
  int (*volatile create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  int (*volatile join)(pthread_t, void **);
  int (*volatile set_stack_size)(pthread_attr_t *, size_t);
} const system_threads = {pthread_create, pthread_join, pthread_attr_setstacksize};

enum { stack_bytes = 512 << 10 };

static void *thread_main(void *opaque) {
  apusp_worker_thread *thread = opaque;
  char name[16];
  snprintf(name, sizeof name, "apus-%d", (int)thread->index);
  prctl(PR_SET_NAME, name, 0, 0, 0);
  apusp_fp_enter();
  thread->main(thread->argument, thread->index);
  return NULL;
}

// All signals, but for those that a fault of the thread itself raises and the one that sampling profilers use.
static void signals_to_block(sigset_t *set) {
  static const int let_through[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS, SIGPROF};
  sigfillset(set);
  for (size_t i = 0; i < sizeof let_through / sizeof let_through[0]; i++) sigdelset(set, let_through[i]);
}

bool apusp_worker_thread_start(apusp_worker_thread *thread) {
  if (!system_threads.create || !system_threads.join) return false;
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  // Where the size is refused the system's default does.
  if (system_threads.set_stack_size) system_threads.set_stack_size(&attributes, stack_bytes);
  // A thread inherits the mask. On Linux sigprocmask sets that of the calling thread, and it is in libc everywhere.
  sigset_t blocked, before;
  signals_to_block(&blocked);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  bool started = system_threads.create(&thread->thread, &attributes, thread_main, thread) == 0;
  sigprocmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return started;
}

void apusp_worker_thread_join(apusp_worker_thread *thread) { system_threads.join(thread->thread, NULL); }
