// Every way to load a model, and everything that can be wrong with it.
#include <fcntl.h>
#include <unistd.h>

#include "check.h"

// Whether a model works: 2 x + 1.
static int is_affine(apus_model *model) {
  apus_session *session;
  float *input;
  const float *output;
  void *data;
  const void *result;
  int right = 1;
  if (apus_session_create(model, NULL, &session, &error) != APUS_OK) return 0;
  if (apus_session_prepare(session, NULL, 0, &error) != APUS_OK) return 0;
  if (apus_session_input_buffer(session, 0, &data, NULL, &error) != APUS_OK) return 0;
  input = data;
  for (int i = 0; i < 6; i++) input[i] = (float)i;
  if (apus_session_run(session, NULL, &error) != APUS_OK) return 0;
  if (apus_session_output_buffer(session, 0, &result, NULL, &error) != APUS_OK) return 0;
  output = result;
  for (int i = 0; i < 6; i++) right = right && output[i] == (float)(2 * i + 1);
  return apus_session_destroy(session, &error) == APUS_OK && right;
}

typedef struct released {
  int count;
  void *user;
  const void *memory;
} released;

static void count_release(void *user, const void *memory) {
  released *record = user;
  record->count++;
  record->user = user;
  record->memory = memory;
}

static void from_a_path(void) {
  apus_model *model;
  CHECK_OK(apus_model_load_path(model_path("affine"), NULL, &model, &error));
  CHECK(is_affine(model));
  apus_model_release(model);
}

static void from_a_mapped_path(void) {
  apus_model *model;
  CHECK_OK(apus_model_load_mapped(model_path("affine"), NULL, &model, &error));
  CHECK(is_affine(model));
  apus_model_release(model);
}

static void from_copied_memory(void) {
  file_bytes file = model_bytes("affine");
  apus_model *model;
  CHECK_OK(apus_model_load_copy(file.data, file.size, NULL, &model, &error));
  memset(file.data, 0, file.size);
  free(file.data);
  CHECK(is_affine(model));
  apus_model_release(model);
}

static void borrowed_memory_is_released_once(void) {
  file_bytes file = model_bytes("affine");
  released record = {0, NULL, NULL};
  apus_model *model;
  CHECK_OK(apus_model_load_borrowed(file.data, file.size, count_release, &record, NULL, &model, &error));
  CHECK(record.count == 0 && is_affine(model));
  apus_session *session;
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  apus_model_release(model);
  CHECK(record.count == 0);
  CHECK_OK(apus_session_destroy(session, &error));
  CHECK(record.count == 1 && record.user == &record && record.memory == file.data);
  free(file.data);
}

static void borrowed_memory_is_released_when_loading_fails(void) {
  file_bytes file = model_bytes("affine");
  apus_model *model = (apus_model *)&file;
  released record = {0, NULL, NULL};
  file.data[200] ^= 1;
  CHECK(apus_model_load_borrowed(file.data, file.size, count_release, &record, NULL, &model, &error) != APUS_OK);
  CHECK(record.count == 1 && model == NULL);
  CHECK_STATUS(APUS_ERROR_NULL_POINTER,
               apus_model_load_borrowed(NULL, 5, count_release, &record, NULL, &model, &error));
  CHECK(record.count == 2 && record.memory == NULL);
  CHECK_STATUS(APUS_ERROR_NULL_POINTER,
               apus_model_load_borrowed(file.data, file.size, count_release, &record, NULL, NULL, &error));
  CHECK(record.count == 3);
  CHECK(apus_model_load_borrowed(file.data, file.size, NULL, NULL, NULL, &model, &error) != APUS_OK);
  free(file.data);
}

static void from_a_descriptor_at_an_offset(void) {
  file_bytes file = model_bytes("affine");
  char path[] = "/tmp/apus-test-XXXXXX";
  const int descriptor = mkstemp(path);
  CHECK(descriptor >= 0);
  unlink(path);
  CHECK(write(descriptor, "0123456789", 10) == 10);
  CHECK(write(descriptor, file.data, file.size) == (ssize_t)file.size);
  CHECK(write(descriptor, "behind", 6) == 6);
  apus_model *model;
  CHECK_OK(apus_model_load_fd(descriptor, 10, file.size, NULL, &model, &error));
  CHECK(lseek(descriptor, 0, SEEK_CUR) == (off_t)file.size + 16);
  close(descriptor);
  CHECK(is_affine(model));
  apus_model_release(model);
  free(file.data);
}

static void from_a_pipe(void) {
  file_bytes file = model_bytes("affine");
  int ends[2];
  apus_model *model;
  CHECK(file.size < 65536 && pipe(ends) == 0);
  CHECK(write(ends[1], file.data, file.size) == (ssize_t)file.size);
  close(ends[1]);
  CHECK_OK(apus_model_load_fd(ends[0], 0, 0, NULL, &model, &error));
  CHECK(fcntl(ends[0], F_GETFD) >= 0);
  close(ends[0]);
  CHECK(is_affine(model));
  apus_model_release(model);
  free(file.data);
}

static void wrong_descriptors_are_statuses(void) {
  apus_model *model;
  int ends[2];
  CHECK_STATUS(APUS_ERROR_IO, apus_model_load_fd(-1, 0, 0, NULL, &model, &error));
  CHECK_STATUS(APUS_ERROR_IO, apus_model_load_fd(INT32_MAX, 0, 0, NULL, &model, &error));
  const int folder = open("/tmp", O_RDONLY);
  CHECK(apus_model_load_fd(folder, 0, 0, NULL, &model, &error) != APUS_OK);
  close(folder);
  CHECK(pipe(ends) == 0);
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_model_load_fd(ends[0], 3, 0, NULL, &model, &error));
  close(ends[0]);
  close(ends[1]);
  const int file = open(model_path("affine"), O_RDONLY);
  CHECK_STATUS(APUS_ERROR_TRUNCATED, apus_model_load_fd(file, UINT64_MAX, 0, NULL, &model, &error));
  CHECK_STATUS(APUS_ERROR_TRUNCATED, apus_model_load_fd(file, 1, UINT64_MAX, NULL, &model, &error));
  close(file);
}

// A stream that gives at most `most` bytes at a time and fails after `fails_after`.
typedef struct stream {
  file_bytes file;
  uint64_t position;
  uint64_t most;
  uint64_t fails_after;
  int calls;
} stream;

static int64_t read_stream(void *user, void *buffer, uint64_t size) {
  stream *s = user;
  const uint64_t rest = s->file.size - s->position;
  uint64_t count = size < rest ? size : rest;
  s->calls++;
  if (s->position >= s->fails_after) return -5;
  if (count > s->most) count = s->most;
  memcpy(buffer, s->file.data + s->position, count);
  s->position += count;
  return (int64_t)count;
}

static int64_t read_at_stream(void *user, void *buffer, uint64_t size, uint64_t offset) {
  stream *s = user;
  s->position = offset < s->file.size ? offset : s->file.size;
  return read_stream(user, buffer, size);
}

static int64_t read_too_much(void *user, void *buffer, uint64_t size) {
  (void)user;
  (void)buffer;
  return (int64_t)size + 1;
}

static void from_a_stream(void) {
  stream s = {model_bytes("affine"), 0, UINT64_MAX, UINT64_MAX, 0};
  const uint64_t sizes[] = {1, 7, UINT64_MAX};
  for (int i = 0; i < 3; i++) {
    apus_model *model;
    s.position = 0;
    s.most = sizes[i];
    CHECK_OK(apus_model_load_stream(read_stream, &s, NULL, &model, &error));
    CHECK(is_affine(model));
    apus_model_release(model);
  }
  free(s.file.data);
}

static void a_stream_that_fails_is_a_status(void) {
  stream s = {model_bytes("affine"), 0, 64, 100, 0};
  apus_model *model = NULL;
  CHECK_STATUS(APUS_ERROR_IO, apus_model_load_stream(read_stream, &s, NULL, &model, &error));
  CHECK(model == NULL && strcmp(error.actual, "-5") == 0);
  CHECK_STATUS(APUS_ERROR_IO, apus_model_load_stream(read_too_much, &s, NULL, &model, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_load_stream(NULL, &s, NULL, &model, &error));
  s.position = 0;
  s.fails_after = UINT64_MAX;
  s.file.size /= 2;
  CHECK_STATUS(APUS_ERROR_TRUNCATED, apus_model_load_stream(read_stream, &s, NULL, &model, &error));
  free(s.file.data);
}

static void from_a_positioned_reader(void) {
  stream s = {model_bytes("affine"), 0, 50, UINT64_MAX, 0};
  released record = {0, NULL, NULL};
  apus_model *model;
  CHECK_OK(apus_model_load_positioned(read_at_stream, s.file.size, NULL, &s, NULL, &model, &error));
  CHECK(s.calls > 0 && is_affine(model));
  apus_model_release(model);
  CHECK_STATUS(APUS_ERROR_NULL_POINTER,
               apus_model_load_positioned(NULL, s.file.size, count_release, &record, NULL, &model, &error));
  CHECK(record.count == 1 && record.memory == NULL);
  free(s.file.data);
}

static int64_t read_affine_at(void *user, void *buffer, uint64_t size, uint64_t offset) {
  (void)user;
  FILE *file = fopen(model_path("affine"), "rb");
  if (file == NULL || fseek(file, (long)offset, SEEK_SET) != 0) return -1;
  const size_t count = fread(buffer, 1, size, file);
  fclose(file);
  return (int64_t)count;
}

static void a_positioned_reader_is_released_with_the_model(void) {
  file_bytes file = model_bytes("affine");
  released record = {0, NULL, NULL};
  apus_model *model;
  CHECK_OK(apus_model_load_positioned(read_affine_at, file.size, count_release, &record, NULL, &model, &error));
  CHECK(record.count == 0);
  apus_model_release(model);
  CHECK(record.count == 1 && record.memory == NULL);
  free(file.data);
}

static void what_is_not_there(void) {
  apus_model *model;
  CHECK_STATUS(APUS_ERROR_FILE_NOT_FOUND, apus_model_load_path("/nowhere/x.apus", NULL, &model, &error));
  CHECK(strcmp(error.file, "/nowhere/x.apus") == 0 && error.status == APUS_ERROR_FILE_NOT_FOUND);
  CHECK_STATUS(APUS_ERROR_FILE_NOT_FOUND, apus_model_load_mapped("/nowhere/x.apus", NULL, &model, NULL));
  CHECK_STATUS(APUS_ERROR_IO, apus_model_load_path("/tmp", NULL, &model, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_model_load_path("\xFF\xFE", NULL, &model, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_load_path(NULL, NULL, &model, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_load_path(model_path("affine"), NULL, NULL, &error));
}

static void what_is_not_a_model(void) {
  apus_model *model;
  char zeros[4096] = {0};
  CHECK_STATUS(APUS_ERROR_NOT_APUS_FILE, apus_model_load_path("/etc/passwd", NULL, &model, &error));
  CHECK_STATUS(APUS_ERROR_NOT_APUS_FILE, apus_model_load_copy(zeros, sizeof zeros, NULL, &model, &error));
  CHECK(apus_model_load_copy(zeros, 0, NULL, &model, &error) != APUS_OK);
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_load_copy(NULL, 0, NULL, &model, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_model_load_copy(zeros, UINT64_MAX, NULL, &model, &error));
}

// Loads, prepares and runs LeNet from memory; a segment is checked when it is first read, so that either may find damage.
static int32_t run_from_memory(const file_bytes *file) {
  const int64_t extents[4] = {1, 1, 28, 28};
  const apus_shape shape = {extents, 4};
  apus_model *model;
  apus_session *session = NULL;
  int32_t status = apus_model_load_copy(file->data, file->size, NULL, &model, &error);
  if (status == APUS_OK) status = apus_session_create(model, NULL, &session, &error);
  if (status == APUS_OK) status = apus_session_prepare(session, &shape, 1, &error);
  if (status == APUS_OK) status = apus_session_run(session, NULL, &error);
  apus_session_destroy(session, NULL);
  apus_model_release(model);
  return status;
}

static void damage_is_found(void) {
  file_bytes file = model_bytes("lenet");
  CHECK_OK(run_from_memory(&file));
  for (uint64_t at = 0; at < file.size; at += at < 4096 ? 61 : file.size / 61 + 1) {
    file.data[at] ^= 0x10;
    const int32_t status = run_from_memory(&file);
    CHECK(status >= 400 && status < 500);
    CHECK(error.status == status && error.message[0]);
    file.data[at] ^= 0x10;
  }
  const uint64_t whole = file.size;
  for (file.size = 0; file.size < whole; file.size += whole / 37) {
    CHECK_STATUS(APUS_ERROR_TRUNCATED, run_from_memory(&file));
  }
  free(file.data);
}

// What is read after loading is checked then: a file that was rewritten meanwhile is a status.
static void a_file_that_changes_is_noticed(void) {
  file_bytes file = model_bytes("lenet");
  char path[] = "/tmp/apus-test-XXXXXX";
  const int descriptor = mkstemp(path);
  CHECK(descriptor >= 0);
  CHECK(write(descriptor, file.data, file.size) == (ssize_t)file.size);
  apus_model *model;
  apus_session *session;
  const int64_t extents[4] = {1, 1, 28, 28};
  const apus_shape shape = {extents, 4};
  CHECK_OK(apus_model_load_path(path, NULL, &model, &error));
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  for (uint64_t i = 0; i < file.size; i++) file.data[i] ^= 0xFF;
  CHECK(pwrite(descriptor, file.data, file.size, 0) == (ssize_t)file.size);
  CHECK_STATUS(APUS_ERROR_CHECKSUM_MISMATCH, apus_session_prepare(session, &shape, 1, &error));
  CHECK(strcmp(error.file, path) == 0 || error.tensor_name[0]);
  CHECK(ftruncate(descriptor, 100) == 0);
  CHECK_STATUS(APUS_ERROR_TRUNCATED, apus_session_prepare(session, &shape, 1, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
  close(descriptor);
  unlink(path);
  free(file.data);
}

static void limits_are_kept(void) {
  apus_model *model;
  apus_limits limits;
  apus_load_options options;
  apus_load_options_init(&options, sizeof options);
  options.limits = &limits;
#define REFUSED(field, value)                                                                                     \
  do {                                                                                                            \
    apus_limits_init(&limits, sizeof limits);                                                                     \
    limits.field = value;                                                                                         \
    CHECK_STATUS(APUS_ERROR_LIMIT_EXCEEDED, apus_model_load_path(model_path("lenet"), &options, &model, &error)); \
    CHECK(model == NULL);                                                                                         \
  } while (0)
  REFUSED(file_bytes, 1000);
  REFUSED(decompressed_bytes, 1000);
  REFUSED(memory_bytes, 1000);
  REFUSED(operators, 3);
  REFUSED(rank, 1);
  REFUSED(elements, 100);
  REFUSED(elements, 0);
#undef REFUSED
  apus_limits_init(&limits, sizeof limits);
  limits.struct_size = 3;
  CHECK_STATUS(APUS_ERROR_STRUCT_SIZE, apus_model_load_path(model_path("lenet"), &options, &model, &error));
  memset(&limits, 0xFF, sizeof limits);
  limits.struct_size = sizeof limits;
  CHECK_OK(apus_model_load_path(model_path("affine"), &options, &model, &error));
  apus_model_release(model);
}

typedef struct log_record {
  int lines;
  int32_t level;
  char text[256];
} log_record;

static void keep_log(void *user, int32_t level, const char *line) {
  log_record *record = user;
  record->lines++;
  record->level = level;
  snprintf(record->text, sizeof record->text, "%s", line);
}

static void the_log_hears_of_it(void) {
  apus_model *model;
  log_record record = {0, 0, ""};
  apus_load_options options;
  apus_load_options_init(&options, sizeof options);
  options.log = keep_log;
  options.log_user = &record;
  CHECK_OK(apus_model_load_path(model_path("affine"), &options, &model, &error));
  CHECK(record.lines == 1 && record.level == APUS_LOG_INFO && strstr(record.text, "loaded") != NULL);
  CHECK(strchr(record.text, '\n') == NULL);
  apus_model_release(model);
  CHECK(apus_model_load_path("/nowhere", &options, &model, &error) != APUS_OK);
  CHECK(record.lines == 2 && record.level == APUS_LOG_ERROR && strstr(record.text, "/nowhere") != NULL);
}

static void the_cpu_level_can_be_chosen(void) {
  apus_model *model;
  apus_load_options options;
  apus_load_options_init(&options, sizeof options);
  options.cpu = "portable";
  CHECK_OK(apus_model_load_path(model_path("affine"), &options, &model, &error));
  apus_session *session;
  apus_session_info info;
  apus_session_info_init(&info, sizeof info);
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  CHECK_OK(apus_session_inspect(session, &info, &error));
  CHECK(info.cpu_level == APUS_CPU_PORTABLE && info.is_prepared == 0 && info.threads == 1);
  CHECK_OK(apus_session_destroy(session, &error));
  CHECK(is_affine(model));
  apus_model_release(model);
  options.cpu = "6502";
  CHECK_STATUS(APUS_ERROR_UNKNOWN_NAME, apus_model_load_path(model_path("affine"), &options, &model, &error));
}

static void the_environment_chooses_how_convolutions_are_computed(void) {
  apus_model *model;
  char saved[64] = "";
  const char *before = getenv("APUS_CONV");
  if (before != NULL) snprintf(saved, sizeof saved, "%s", before);
  setenv("APUS_CONV", "winograd6", 1);
  const int32_t known = apus_model_load_path(model_path("affine"), NULL, &model, &error);
  if (known == APUS_OK) apus_model_release(model);
  setenv("APUS_CONV", "winograd3", 1);
  const int32_t unknown = apus_model_load_path(model_path("affine"), NULL, &model, &error);
  if (before != NULL) {
    setenv("APUS_CONV", saved, 1);
  } else {
    unsetenv("APUS_CONV");
  }
  CHECK(known == APUS_OK);
  CHECK(unknown == APUS_ERROR_UNKNOWN_NAME && strstr(error.message, "APUS_CONV") && strstr(error.message, "winograd3"));
}

static void references_are_counted(void) {
  apus_model *model = load_model("affine");
  apus_model_retain(model);
  apus_model_release(model);
  CHECK(is_affine(model));
  apus_model_release(model);
  apus_model_info info;
  apus_model_info_init(&info, sizeof info);
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_model_inspect(model, &info, &error));
  apus_model_release(model);
  apus_model_retain(model);
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_model_inspect(model, &info, &error));
  apus_model_retain(NULL);
  apus_model_release(NULL);
}

int main(int argc, char **argv) {
  static const test_case tests[] = {
      {"from_a_path", from_a_path},
      {"from_a_mapped_path", from_a_mapped_path},
      {"from_copied_memory", from_copied_memory},
      {"borrowed_memory_is_released_once", borrowed_memory_is_released_once},
      {"borrowed_memory_is_released_when_loading_fails", borrowed_memory_is_released_when_loading_fails},
      {"from_a_descriptor_at_an_offset", from_a_descriptor_at_an_offset},
      {"from_a_pipe", from_a_pipe},
      {"wrong_descriptors_are_statuses", wrong_descriptors_are_statuses},
      {"from_a_stream", from_a_stream},
      {"a_stream_that_fails_is_a_status", a_stream_that_fails_is_a_status},
      {"from_a_positioned_reader", from_a_positioned_reader},
      {"a_positioned_reader_is_released_with_the_model", a_positioned_reader_is_released_with_the_model},
      {"what_is_not_there", what_is_not_there},
      {"what_is_not_a_model", what_is_not_a_model},
      {"damage_is_found", damage_is_found},
      {"a_file_that_changes_is_noticed", a_file_that_changes_is_noticed},
      {"limits_are_kept", limits_are_kept},
      {"the_log_hears_of_it", the_log_hears_of_it},
      {"the_cpu_level_can_be_chosen", the_cpu_level_can_be_chosen},
      {"the_environment_chooses_how_convolutions_are_computed", the_environment_chooses_how_convolutions_are_computed},
      {"references_are_counted", references_are_counted},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
