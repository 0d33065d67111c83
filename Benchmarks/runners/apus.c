// Apus, through its public C ABI.

#include <apus.h>

#include "runtime.h"

static apus_session *session;

static void check(int32_t status, const apus_error *error) {
  if (status != APUS_OK) {
    char line[1024];
    apus_error_format(error, line, sizeof line);
    fail("Apus", line);
  }
}

void runtime_open(const char *path, int threads, tensors *t) {
  apus_error error;
  apus_model *model;
  check(apus_model_load_mapped(path, NULL, &model, &error), &error);
  apus_session_options options;
  apus_session_options_init(&options, sizeof options);
  if (threads > 1) {
    apus_pool_options pool;
    apus_pool_options_init(&pool, sizeof pool);
    pool.threads = (uint32_t)threads;
    check(apus_pool_create(&pool, &options.pool, &error), &error);
  }
  check(apus_session_create(model, &options, &session, &error), &error);
  apus_shape shapes[MAXIMUM_TENSORS];
  uint32_t places[MAXIMUM_TENSORS];
  for (size_t i = 0; i < t->input_count; i++) {
    check(apus_model_find_input(model, t->inputs[i].name, &places[i], &error), &error);
    shapes[places[i]] = (apus_shape){t->inputs[i].shape, t->inputs[i].rank};
  }
  check(apus_session_prepare(session, shapes, (uint32_t)t->input_count, &error), &error);
  for (size_t i = 0; i < t->input_count; i++) {
    check(apus_session_bind_input(session, places[i], t->inputs[i].data, t->inputs[i].bytes, NULL, NULL, &error), &error);
  }
  for (size_t i = 0; i < t->output_count; i++) {
    uint32_t place;
    check(apus_model_find_output(model, t->outputs[i].name, &place, &error), &error);
    check(apus_session_bind_output(session, place, t->outputs[i].data, t->outputs[i].bytes, NULL, NULL, &error), &error);
  }
}

void runtime_run(void) {
  apus_error error;
  check(apus_session_run(session, NULL, &error), &error);
}

const char *runtime_version(void) { return apus_version_string(); }
