#include "check.h"

apus_error error;

static const char *folder;
static int failures;

void check_failed(const char *file, int line, const char *text) {
  fprintf(stderr, "%s:%d: failed: %s\n", file, line, text);
  failures++;
}

void check_wrong_status(const char *file, int line, const char *call, int32_t expected, int32_t actual) {
  char text[1024];
  apus_error_format(&error, text, sizeof text);
  fprintf(stderr, "%s:%d: expected %s, got %s: %s\n  last error: %s\n", file, line, apus_status_name(expected),
          apus_status_name(actual), call, text);
  failures++;
}

int run_tests(int argc, char **argv, const test_case *tests, size_t count) {
  if (argc < 2) {
    fprintf(stderr, "usage: %s MODEL_FOLDER [TEST]\n", argv[0]);
    return 2;
  }
  folder = argv[1];
  size_t passed = 0, ran = 0;
  for (size_t i = 0; i < count; i++) {
    if (argc > 2 && strcmp(argv[2], tests[i].name) != 0) continue;
    const int before = failures;
    ran++;
    tests[i].body();
    if (failures == before) {
      passed++;
    } else {
      fprintf(stderr, "FAILED %s\n", tests[i].name);
    }
  }
  printf("%zu passed, %zu failed\n", passed, ran - passed);
  return passed == ran ? 0 : 1;
}

const char *model_path(const char *name) {
  static _Thread_local char path[4096];
  snprintf(path, sizeof path, "%s/%s.apus", folder, name);
  return path;
}

file_bytes model_bytes(const char *name) {
  file_bytes file = {NULL, 0};
  FILE *stream = fopen(model_path(name), "rb");
  if (stream == NULL || fseek(stream, 0, SEEK_END) != 0) {
    fprintf(stderr, "can not read %s\n", model_path(name));
    exit(2);
  }
  file.size = (uint64_t)ftell(stream);
  rewind(stream);
  file.data = aligned_alloc(64, (file.size + 63) / 64 * 64);
  if (file.data == NULL || fread(file.data, 1, file.size, stream) != file.size) exit(2);
  fclose(stream);
  return file;
}

static void require(int32_t status) {
  if (status == APUS_OK) return;
  char text[1024];
  apus_error_format(&error, text, sizeof text);
  fprintf(stderr, "%s: %s\n", apus_status_name(status), text);
  exit(2);
}

apus_model *load_model(const char *name) {
  apus_model *model;
  require(apus_model_load_path(model_path(name), NULL, &model, &error));
  return model;
}

apus_session *open_session(apus_model *model, apus_pool *pool, const int64_t *extents, uint64_t rank) {
  apus_session_options options;
  apus_session_options_init(&options, sizeof options);
  options.pool = pool;
  apus_session *session;
  require(apus_session_create(model, &options, &session, &error));
  const apus_shape shape = {extents, rank};
  require(apus_session_prepare(session, &shape, 1, &error));
  return session;
}

void fill_random(float *values, size_t count, uint64_t seed) {
  for (size_t i = 0; i < count; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    values[i] = (float)(seed >> 40) / (float)(1 << 24);
  }
}
