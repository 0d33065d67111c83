// The status numbers that the platform layer returns: a part of the one table in include/apus.h.
#ifndef APUSP_STATUS_H
#define APUSP_STATUS_H

enum {
  APUSP_OK = 0,
  APUSP_INVALID_ARGUMENT = 100,
  APUSP_UNKNOWN_NAME = 103,
  APUSP_BUSY = 201,
  APUSP_CANCELLED = 202,
  APUSP_DEADLINE_EXCEEDED = 203,
  APUSP_OUT_OF_MEMORY = 300,
  APUSP_LIMIT_EXCEEDED = 301,
  APUSP_IO = 302,
  APUSP_FILE_NOT_FOUND = 303,
  APUSP_THREAD_CREATION = 304,
  APUSP_UNSUPPORTED = 505
};

#endif
