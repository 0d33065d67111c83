// What the preloaded library (interpose.c) counts, for the programs that it is preloaded into.
#ifndef INTERPOSE_H
#define INTERPOSE_H

#include <stdint.h>

typedef struct interpose_counts {
  int64_t allocations;  // malloc, calloc, realloc, posix_memalign, aligned_alloc, memalign
  int64_t frees;        // free of anything but NULL
  int64_t mappings;     // mmap, munmap, mprotect, madvise
  int64_t system;       // syscall (futexes come this way), read, pread, write, close, clock_gettime, sched_yield, nanosleep
  int64_t locks;        // pthread mutexes, read-write locks, pthread_once, pthread_cond_signal
} interpose_counts;

// Counts the calls of all threads from start to stop.
typedef void (*interpose_start_fn)(void);
typedef void (*interpose_stop_fn)(interpose_counts *counts);

#endif
