/* What libapus.so does where Swift's small allocations fail: they are served from its reserve, or the call says
 * out_of_memory; the process goes on. This program's own posix_memalign, which the library takes in place of the system's,
 * fails from a chosen call on, for every choice.
 *
 * usage: reserve FOLDER     (with the models of Tests/Models) */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <apus.h>

static _Atomic(long) calls, bytes, refused;
static long fail_from;

int posix_memalign(void **pointer, size_t alignment, size_t size) {
  if (atomic_fetch_add(&calls, 1) >= fail_from) {
    atomic_fetch_add(&refused, 1);
    return ENOMEM;
  }
  *pointer = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (!*pointer) return ENOMEM;
  atomic_fetch_add(&bytes, (long)malloc_usable_size(*pointer));
  return 0;
}

typedef struct test_model {
  const char *name;
  int64_t extents[4];
  uint64_t rank;
} test_model;

static const test_model models[] = {
    {"affine", {2, 3}, 2}, {"lstm", {7, 1, 8}, 3}, {"lenet", {1, 1, 28, 28}, 4}};

/* Loads, prepares and runs a model. The first status that is not APUS_OK. */
static int32_t use(const char *path, const test_model *test, apus_error *error) {
  apus_model *model = NULL;
  apus_session *session = NULL;
  apus_session_options options;
  apus_shape shape = {test->extents, test->rank};
  int32_t status = apus_model_load_path(path, NULL, &model, error);
  if (status == APUS_OK) {
    apus_session_options_init(&options, sizeof options);
    status = apus_session_create(model, &options, &session, error);
  }
  if (status == APUS_OK) status = apus_session_prepare(session, &shape, 1, error);
  if (status == APUS_OK) status = apus_session_run(session, NULL, error);
  if (session && apus_session_destroy(session, NULL) != APUS_OK) abort();
  if (model) apus_model_release(model);
  return status;
}

int main(int argc, char **argv) {
  apus_error error;
  setvbuf(stdout, NULL, _IOLBF, 0);
  long tried = 0, served = 0;
  if (argc != 2) return 2;
  for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.apus", argv[1], models[i].name);
    fail_from = 1000000000;
    for (int round = 0; round < 2; round++) { /* the second round without what is made once in a process */
      calls = bytes = 0;
      if (use(path, &models[i], &error) != APUS_OK) return 1;
    }
    const long all = calls;
    printf("%s: %ld allocations, %ld bytes in all\n", models[i].name, all, (long)bytes);
    for (long from = 0; from <= all; from += 1 + all / 400) {
      calls = 0;
      refused = 0;
      fail_from = from;
      const int32_t status = use(path, &models[i], &error);
      fail_from = 1000000000;
      if (status != APUS_OK && status != APUS_ERROR_OUT_OF_MEMORY) {
        fprintf(stderr, "%s, failing from %ld: %s\n", models[i].name, from, apus_status_name(status));
        return 1;
      }
      tried++;
      if (status == APUS_OK && refused > 0) served++;
      if (use(path, &models[i], &error) != APUS_OK) return 1; /* what failed has left nothing behind */
    }
  }
  printf("%ld failures tried, %ld times the reserve served all\n", tried, served);
  return served > 0 ? 0 : 1;
}
