/* Runs a model whose input shapes are fixed, through libapus: run_model MODEL.apus INPUT... OUTPUT...
 * Inputs and outputs are files of raw elements, one for each input and output of the model, in order. Runs the file's test
 * vectors too. Exit code 1 where anything fails. */
#include <apus.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_RANK 8
#define MAX_PORTS 16

static void fail(const char *what, const char *detail) {
  fprintf(stderr, "run_model: %s: %s\n", what, detail);
  exit(1);
}

static void check(int32_t status, const apus_error *error) {
  char line[2048];
  if (status == APUS_OK) return;
  apus_error_format(error, line, sizeof line);
  fail(apus_status_name(status), line);
}

static void read_file(const char *path, void *data, uint64_t size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail("can not open", path);
  if (fread(data, 1, size, file) != size || fgetc(file) != EOF) fail("the file has another size than the input", path);
  fclose(file);
}

static void write_file(const char *path, const void *data, uint64_t size) {
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) fail("can not write", path);
}

static void prepare(apus_session *session, const apus_model *model, uint32_t count, apus_error *error) {
  static int64_t extents[MAX_PORTS][MAX_RANK];
  static apus_shape shapes[MAX_PORTS];
  for (uint32_t index = 0; index < count; index++) {
    apus_tensor_info info;
    apus_tensor_info_init(&info, sizeof info);
    check(apus_model_input(model, index, &info, error), error);
    if (info.rank < 0 || info.rank > MAX_RANK) fail("an input's rank is not fixed", info.name);
    for (int32_t axis = 0; axis < info.rank; axis++) {
      extents[index][axis] = info.dimensions[axis].extent;
      if (extents[index][axis] < 0) fail("an input's shape is not fixed", info.name);
    }
    shapes[index].extents = extents[index];
    shapes[index].rank = (uint64_t)info.rank;
  }
  check(apus_session_prepare(session, shapes, count, error), error);
}

int main(int argc, char **argv) {
  apus_error error;
  apus_model *model;
  apus_session *session;
  apus_model_info info;
  if (argc < 2) fail("usage", "run_model MODEL.apus INPUT... OUTPUT...");
  check(apus_model_load_path(argv[1], NULL, &model, &error), &error);
  apus_model_info_init(&info, sizeof info);
  check(apus_model_inspect(model, &info, &error), &error);
  if (info.input_count > MAX_PORTS || (uint32_t)argc != 2 + info.input_count + info.output_count) {
    fail("usage", "one file for each input and output of the model");
  }
  check(apus_session_create(model, NULL, &session, &error), &error);
  prepare(session, model, info.input_count, &error);
  for (uint32_t index = 0; index < info.input_count; index++) {
    void *data;
    uint64_t size;
    check(apus_session_input_buffer(session, index, &data, &size, &error), &error);
    read_file(argv[2 + index], data, size);
  }
  check(apus_session_run(session, NULL, &error), &error);
  for (uint32_t index = 0; index < info.output_count; index++) {
    const void *data;
    uint64_t size;
    check(apus_session_output_buffer(session, index, &data, &size, &error), &error);
    write_file(argv[2 + info.input_count + index], data, size);
  }
  check(apus_session_destroy(session, &error), &error);
  if (info.test_vector_count > 0) check(apus_model_self_test(model, NULL, NULL, &error), &error);
  apus_model_release(model);
  return 0;
}
