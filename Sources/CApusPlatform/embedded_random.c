// Random bytes for the seed of Embedded Swift's hash tables, in libapus alone: glibc has the function from 2.36 on.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef APUS_LIBRARY

void arc4random_buf(void *buffer, size_t size);

void arc4random_buf(void *buffer, size_t size) {
  char *at = buffer;
  int file = -1;
  while (size > 0) {
    // Kernels before 3.17 lack the call.
    long got = file < 0 ? syscall(SYS_getrandom, at, size, 0) : read(file, at, size);
    if (got > 0) {
      at += got;
      size -= (size_t)got;
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else if (file < 0) {
      file = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
      if (file < 0) abort();  // as glibc's does: a seed that can be foreseen is worse
    } else {
      abort();
    }
  }
  if (file >= 0) close(file);
}

#endif
