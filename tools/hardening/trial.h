// One hostile file through the public C ABI: load, prepare, run.
#ifndef HARDENING_TRIAL_H
#define HARDENING_TRIAL_H

#include <stddef.h>
#include <stdint.h>

enum { MAX_OUTPUT_BYTES = 1 << 16 };

typedef struct trial_result {
  int32_t status;        // 0, or what load, prepare or run returned
  size_t output_bytes;   // of the first output, if status is 0
  uint8_t output[MAX_OUTPUT_BYTES];
  uint64_t leaked_bytes;  // bulk memory that was not given back
} trial_result;

// Loads `file` from exactly `size` bytes of memory, prepares a session for inputs whose symbolic and unknown dimensions are 1,
// fills them with fixed numbers, and runs once under tight limits and a deadline.
void trial_run(const uint8_t *file, size_t size, trial_result *result);

#endif
