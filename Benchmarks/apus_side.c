#include "apus_side.h"

#include <apus.h>
#include <stdio.h>
#include <stdlib.h>

struct apus_side {
  apus_pool *pool;
  apus_model *model;
  apus_session *session;
  const char *kernels;
};

static void check(int32_t status, const apus_error *error) {
  if (status != APUS_OK) {
    char line[1024];
    apus_error_format(error, line, sizeof line);
    fprintf(stderr, "Apus: %s: %s\n", apus_status_name(status), line);
    exit(1);
  }
}

apus_side *apus_side_open(const char *model_path, int threads, const float *input, size_t input_count, const int64_t *shape,
                          size_t rank, float *output, size_t output_count) {
  apus_side *side = calloc(1, sizeof *side);
  if (side == NULL) {
    fprintf(stderr, "out of memory\n");
    exit(1);
  }
  apus_error error;
  check(apus_model_load_path(model_path, NULL, &side->model, &error), &error);
  apus_session_options options;
  apus_session_options_init(&options, sizeof options);
  if (threads > 1) {
    apus_pool_options pool;
    apus_pool_options_init(&pool, sizeof pool);
    pool.threads = (uint32_t)threads;
    check(apus_pool_create(&pool, &side->pool, &error), &error);
    options.pool = side->pool;
  }
  check(apus_session_create(side->model, &options, &side->session, &error), &error);
  const apus_shape input_shape = {shape, rank};
  check(apus_session_prepare(side->session, &input_shape, 1, &error), &error);
  check(apus_session_bind_input(side->session, 0, input, input_count * sizeof *input, NULL, NULL, &error), &error);
  check(apus_session_bind_output(side->session, 0, output, output_count * sizeof *output, NULL, NULL, &error), &error);
  apus_session_info info;
  apus_session_info_init(&info, sizeof info);
  check(apus_session_inspect(side->session, &info, &error), &error);
  side->kernels = apus_cpu_level_name(info.cpu_level);
  return side;
}

void apus_side_run(apus_side *side) {
  apus_error error;
  check(apus_session_run(side->session, NULL, &error), &error);
}

const char *apus_side_kernels(const apus_side *side) { return side->kernels; }

void apus_side_close(apus_side *side) {
  apus_error error;
  check(apus_session_destroy(side->session, &error), &error);
  apus_pool_release(side->pool);
  apus_model_release(side->model);
  free(side);
}
