#define _GNU_SOURCE
#include "apusp_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apusp_status.h"

static int32_t succeed(int32_t *system_error) {
  if (system_error) *system_error = 0;
  return APUSP_OK;
}

static int32_t fail(int error, int32_t *system_error) {
  if (system_error) *system_error = error;
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return APUSP_FILE_NOT_FOUND;
    case ENOMEM:
      return APUSP_OUT_OF_MEMORY;
    default:
      return APUSP_IO;
  }
}

// The system call itself: glibc's fstat is a symbol of version 2.33, and the kernel's structure is glibc's on the 64-bit
// systems that Apus runs on.
static int status_of(int descriptor, struct stat *status) {
  return syscall(SYS_fstat, descriptor, status) == 0 ? 0 : errno;
}

int32_t apusp_file_open(const char *path, int32_t *descriptor, int32_t *system_error) {
  *descriptor = -1;
  int opened;
  do {
    opened = open(path, O_RDONLY | O_CLOEXEC);
  } while (opened < 0 && errno == EINTR);
  if (opened < 0) return fail(errno, system_error);
  struct stat status;
  int error = status_of(opened, &status);
  if (error == 0 && S_ISDIR(status.st_mode)) error = EISDIR;
  if (error != 0) {
    close(opened);
    return fail(error, system_error);
  }
  *descriptor = opened;
  return succeed(system_error);
}

void apusp_file_close(int32_t descriptor) {
  // Not repeated after EINTR: Linux has freed the descriptor by then, and its number may be another file's.
  close(descriptor);
}

int32_t apusp_file_size(int32_t descriptor, uint64_t *size, int32_t *system_error) {
  struct stat status;
  *size = 0;
  int error = status_of(descriptor, &status);
  if (error != 0) return fail(error, system_error);
  if (S_ISDIR(status.st_mode)) return fail(EISDIR, system_error);
  if (S_ISREG(status.st_mode)) {
    *size = (uint64_t)status.st_size;
  } else if (S_ISBLK(status.st_mode)) {
    off_t here = lseek(descriptor, 0, SEEK_CUR);
    off_t end = here < 0 ? here : lseek(descriptor, 0, SEEK_END);
    if (end < 0 || lseek(descriptor, here, SEEK_SET) < 0) return fail(errno, system_error);
    *size = (uint64_t)end;
  } else {
    *size = UINT64_MAX;
  }
  return succeed(system_error);
}

int32_t apusp_file_read(int32_t descriptor, void *buffer, size_t size, size_t *count, int32_t *system_error) {
  *count = 0;
  while (*count < size) {
    ssize_t got = read(descriptor, (char *)buffer + *count, size - *count);
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno, system_error);
    *count += (size_t)got;
  }
  return succeed(system_error);
}

int32_t apusp_file_read_at(int32_t descriptor, void *buffer, size_t size, uint64_t offset, size_t *count,
                           int32_t *system_error) {
  *count = 0;
  if (offset > INT64_MAX || size > INT64_MAX - offset) return fail(EOVERFLOW, system_error);
  while (*count < size) {
    ssize_t got = pread(descriptor, (char *)buffer + *count, size - *count, (off_t)(offset + *count));
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno, system_error);
    *count += (size_t)got;
  }
  return succeed(system_error);
}

int32_t apusp_file_map(int32_t descriptor, uint64_t size, const void **address, int32_t *system_error) {
  *address = NULL;
  if (size == 0) return fail(EINVAL, system_error);
  void *mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (mapped == MAP_FAILED) return fail(errno, system_error);
  *address = mapped;
  return succeed(system_error);
}

void apusp_file_unmap(const void *address, uint64_t size) { munmap((void *)address, size); }

void apusp_file_forget(const void *address, uint64_t size) {
  uintptr_t page = apusp_page_size(), begin = ((uintptr_t)address + page - 1) / page * page;
  uintptr_t end = ((uintptr_t)address + size) / page * page;
  // Without it the pages stay, which is no failure.
  if (begin < end) (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

size_t apusp_page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

void apusp_system_error_text(int32_t system_error, char *buffer, size_t size) {
  if (size == 0) return;
  char storage[128];
  const char *text = strerror_r(system_error, storage, sizeof storage);
  snprintf(buffer, size, "%s", text);
}
