// What a second session of one model takes: resident memory after the first result of each.
//
// usage: shared MODEL.apus TENSORS, a list of inputs and outputs as the runner takes it; only shapes are read.

#include <apus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

_Noreturn void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static void check(int32_t status, const apus_error *error) {
  if (status != APUS_OK) {
    char line[1024];
    apus_error_format(error, line, sizeof line);
    fail("Apus", line);
  }
}

static double resident_megabytes(void) {
  char line[256];
  long kilobytes = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    sscanf(line, "VmRSS: %ld", &kilobytes);
  }
  if (file != NULL) {
    fclose(file);
  }
  return (double)kilobytes / 1024;
}

static uint32_t read_shapes(const char *path, const apus_model *model, apus_shape *shapes) {
  static int64_t extents[MAXIMUM_TENSORS][MAXIMUM_RANK];
  FILE *list = fopen(path, "r");
  if (list == NULL) {
    fail(path, "can not be read");
  }
  char kind[16], name[NAME_SIZE], type[16];
  size_t rank;
  uint32_t count = 0, place;
  while (fscanf(list, "%15s %255s %15s %zu", kind, name, type, &rank) == 4 && rank <= MAXIMUM_RANK) {
    apus_error error;
    const int is_input = strcmp(kind, "input") == 0 && count < MAXIMUM_TENSORS;
    if (is_input) {
      check(apus_model_find_input(model, name, &place, &error), &error);
    }
    for (size_t i = 0; i < rank; i++) {
      int64_t extent;
      if (fscanf(list, "%ld", &extent) == 1 && is_input) {
        extents[place][i] = extent;
      }
    }
    if (is_input) {
      shapes[place] = (apus_shape){extents[place], rank};
      count++;
    }
    fscanf(list, "%*[^\n]");
  }
  fclose(list);
  return count;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fail("usage", "shared MODEL.apus TENSORS");
  }
  apus_error error;
  apus_model *model;
  check(apus_model_load_mapped(argv[1], NULL, &model, &error), &error);
  apus_shape shapes[MAXIMUM_TENSORS];
  const uint32_t count = read_shapes(argv[2], model, shapes);
  apus_memory_info memory;
  apus_memory_info_init(&memory, sizeof memory);
  check(apus_model_memory(model, shapes, count, 1, &memory, &error), &error);
  double resident[2];
  for (int i = 0; i < 2; i++) {
    apus_session *session;
    check(apus_session_create(model, NULL, &session, &error), &error);
    check(apus_session_prepare(session, shapes, count, &error), &error);
    check(apus_session_run(session, NULL, &error), &error);
    resident[i] = resident_megabytes();
  }
  printf("{\"one_mb\": %.2f, \"two_mb\": %.2f, \"session_mb\": %.2f, \"packed_mb\": %.2f}\n", resident[0], resident[1],
         (double)memory.session_bytes / 1048576, (double)memory.packed_bytes / 1048576);
  return 0;
}
