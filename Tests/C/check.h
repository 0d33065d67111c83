// The frame of the C tests: named tests, checks that say where they fail, a count at the end.
#ifndef CHECK_H
#define CHECK_H

#include <apus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

// One failed check ends its test.
#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      check_failed(__FILE__, __LINE__, #condition);                            \
      return;                                                                  \
    }                                                                          \
  } while (0)

// `call` gives exactly this status.
#define CHECK_STATUS(expected, call)                                           \
  do {                                                                         \
    const int32_t check_status = (call);                                       \
    if (check_status != (expected)) {                                          \
      check_wrong_status(__FILE__, __LINE__, #call, expected, check_status);   \
      return;                                                                  \
    }                                                                          \
  } while (0)

#define CHECK_OK(call) CHECK_STATUS(APUS_OK, call)

typedef struct test_case {
  const char *name;
  void (*body)(void);
} test_case;

// Filled by the calls under test; check_wrong_status prints it.
extern apus_error error;

void check_failed(const char *file, int line, const char *text);
void check_wrong_status(const char *file, int line, const char *call, int32_t expected, int32_t actual);

// Runs the tests, prints "N passed, N failed", returns the exit code. argv[1] is the folder of the models.
int run_tests(int argc, char **argv, const test_case *tests, size_t count);

// The path of a model of Tests/Models, in a buffer that the next call uses again.
const char *model_path(const char *name);

typedef struct file_bytes {
  uint8_t *data;
  uint64_t size;
} file_bytes;

// The bytes of a model, for the caller to free.
file_bytes model_bytes(const char *name);

// A model and a session with the given shape of its one input. Ends the program where that fails.
apus_model *load_model(const char *name);
apus_session *open_session(apus_model *model, apus_pool *pool, const int64_t *extents, uint64_t rank);

// Floats in 0 ..< 1 from a fixed generator.
void fill_random(float *values, size_t count, uint64_t seed);

#ifdef __cplusplus
}
#endif
#endif
