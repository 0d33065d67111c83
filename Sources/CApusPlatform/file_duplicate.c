#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>

#include "apusp_file.h"
#include "apusp_status.h"

int32_t apusp_file_duplicate(int32_t descriptor, int32_t *duplicate, int32_t *system_error) {
  const int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  *duplicate = copy;
  if (system_error) *system_error = copy < 0 ? errno : 0;
  return copy < 0 ? APUSP_IO : APUSP_OK;
}
