/* Runs a model over inputs of 0, 1, 2, ... (extents that the caller chooses are 1) and prints the bits of its float32 outputs;
 * where it can't be loaded, why. The first line says which operators the library has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apus.h>

#define INPUTS 4
#define RANK 8

static apus_error error;

static void require(int32_t status) {
  char line[2048];
  if (status == APUS_OK) return;
  apus_error_format(&error, line, sizeof line);
  printf("%s: %s\n", apus_status_name(status), line);
  exit(1);
}

int main(int argc, char **argv) {
  apus_build_info build;
  apus_model_info info;
  apus_model *model = NULL;
  apus_session *session = NULL;
  apus_shape shapes[INPUTS];
  int64_t extents[INPUTS][RANK];
  uint64_t size, i;
  uint32_t index;
  if (argc != 2) return 2;
  apus_build_info_init(&build, sizeof build);
  require(apus_build(&build, &error));
  printf("operators: %s\n", build.operator_pack);

  require(apus_model_load_path(argv[1], NULL, &model, &error));
  apus_model_info_init(&info, sizeof info);
  require(apus_model_inspect(model, &info, &error));
  require(apus_session_create(model, NULL, &session, &error));
  if (info.input_count > INPUTS) return 2;
  for (index = 0; index < info.input_count; index++) {
    apus_tensor_info tensor;
    int32_t axis;
    apus_tensor_info_init(&tensor, sizeof tensor);
    require(apus_model_input(model, index, &tensor, &error));
    if (tensor.rank > RANK) return 2;
    for (axis = 0; axis < tensor.rank; axis++) {
      extents[index][axis] = tensor.dimensions[axis].symbol ? 1 : tensor.dimensions[axis].extent;
    }
    shapes[index].extents = extents[index];
    shapes[index].rank = (uint64_t)tensor.rank;
  }
  require(apus_session_prepare(session, shapes, info.input_count, &error));
  for (index = 0; index < info.input_count; index++) {
    void *data = NULL;
    require(apus_session_input_buffer(session, index, &data, &size, &error));
    for (i = 0; i < size / sizeof(float); i++) ((float *)data)[i] = (float)(i % 17);
  }
  require(apus_session_run(session, NULL, &error));
  for (index = 0; index < info.output_count; index++) {
    const void *data = NULL;
    require(apus_session_output_buffer(session, index, &data, &size, &error));
    for (i = 0; i < size / sizeof(uint32_t); i++) {
      uint32_t bits;
      memcpy(&bits, (const char *)data + i * sizeof bits, sizeof bits);
      printf("%08x%c", bits, i % 8 == 7 ? '\n' : ' ');
    }
    printf("\n");
  }
  apus_session_destroy(session, NULL);
  apus_model_release(model);
  return 0;
}
