// Preloaded (LD_PRELOAD) into a test: counts calls that a run must not make. x86-64 Linux with glibc.
#include "interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic int counting;
static _Atomic int64_t allocations, frees, mappings, system_calls, locks;

#define COUNT(counter) \
  if (atomic_load_explicit(&counting, memory_order_relaxed)) atomic_fetch_add(&(counter), 1)

void interpose_start(void) {
  allocations = frees = mappings = system_calls = locks = 0;
  atomic_store(&counting, 1);
}

void interpose_stop(interpose_counts *counts) {
  atomic_store(&counting, 0);
  *counts = (interpose_counts){allocations, frees, mappings, system_calls, locks};
}

// ------------------------------------------------------------ the heap: glibc's own names for what is replaced

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

void *malloc(size_t size) {
  COUNT(allocations);
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  COUNT(allocations);
  return __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size) {
  COUNT(allocations);
  return __libc_realloc(pointer, size);
}

void *memalign(size_t alignment, size_t size) {
  COUNT(allocations);
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  COUNT(allocations);
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **pointer, size_t alignment, size_t size) {
  COUNT(allocations);
  void *memory = __libc_memalign(alignment, size);
  if (memory == NULL) return ENOMEM;
  *pointer = memory;
  return 0;
}

void free(void *pointer) {
  if (pointer != NULL) {
    COUNT(frees);
  }
  __libc_free(pointer);
}

// ------------------------------------------------------------ system calls

static long raw(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  if (result < 0 && result > -4096) {
    errno = (int)-result;
    return -1;
  }
  return result;
}

long syscall(long number, ...) {
  COUNT(system_calls);
  va_list list;
  long a[6];
  va_start(list, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  return raw(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void *mmap(void *address, size_t size, int protection, int flags, int descriptor, off_t offset) {
  COUNT(mappings);
  return (void *)raw(SYS_mmap, (long)address, (long)size, protection, flags, descriptor, offset);
}

int munmap(void *address, size_t size) {
  COUNT(mappings);
  return (int)raw(SYS_munmap, (long)address, (long)size, 0, 0, 0, 0);
}

int mprotect(void *address, size_t size, int protection) {
  COUNT(mappings);
  return (int)raw(SYS_mprotect, (long)address, (long)size, protection, 0, 0, 0);
}

int madvise(void *address, size_t size, int advice) {
  COUNT(mappings);
  return (int)raw(SYS_madvise, (long)address, (long)size, advice, 0, 0, 0);
}

ssize_t read(int descriptor, void *buffer, size_t size) {
  COUNT(system_calls);
  return raw(SYS_read, descriptor, (long)buffer, (long)size, 0, 0, 0);
}

ssize_t write(int descriptor, const void *buffer, size_t size) {
  COUNT(system_calls);
  return raw(SYS_write, descriptor, (long)buffer, (long)size, 0, 0, 0);
}

ssize_t pread(int descriptor, void *buffer, size_t size, off_t offset) {
  COUNT(system_calls);
  return raw(SYS_pread64, descriptor, (long)buffer, (long)size, offset, 0, 0);
}

int close(int descriptor) {
  COUNT(system_calls);
  return (int)raw(SYS_close, descriptor, 0, 0, 0, 0, 0);
}

int sched_yield(void) {
  COUNT(system_calls);
  return (int)raw(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

int nanosleep(const struct timespec *time, struct timespec *rest) {
  COUNT(system_calls);
  return (int)raw(SYS_nanosleep, (long)time, (long)rest, 0, 0, 0, 0);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  COUNT(system_calls);
  return (int)raw(SYS_clock_gettime, clock, (long)time, 0, 0, 0, 0);
}

// ------------------------------------------------------------ locks: the real ones are the next in line

#define NEXT(name)                                              \
  static __typeof__(name) *real;                                \
  if (real == NULL) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

int pthread_mutex_lock(pthread_mutex_t *mutex) {
  NEXT(pthread_mutex_lock);
  COUNT(locks);
  return real(mutex);
}

int pthread_mutex_trylock(pthread_mutex_t *mutex) {
  NEXT(pthread_mutex_trylock);
  COUNT(locks);
  return real(mutex);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *lock) {
  NEXT(pthread_rwlock_rdlock);
  COUNT(locks);
  return real(lock);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *lock) {
  NEXT(pthread_rwlock_wrlock);
  COUNT(locks);
  return real(lock);
}

int pthread_once(pthread_once_t *once, void (*body)(void)) {
  NEXT(pthread_once);
  COUNT(locks);
  return real(once, body);
}

int pthread_cond_signal(pthread_cond_t *condition) {
  NEXT(pthread_cond_signal);
  COUNT(locks);
  return real(condition);
}
