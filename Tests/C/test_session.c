// Sessions on one thread: prepare, buffers, runs, states, profile, progress, and what callers get wrong.
#include "check.h"

typedef struct released {
  int count;
  const void *memory;
} released;

static void count_release(void *user, const void *memory) {
  released *record = user;
  record->count++;
  record->memory = memory;
}

static void nothing_works_before_prepare(void) {
  apus_model *model = load_model("affine");
  apus_session *session;
  uint64_t size;
  uint32_t rank;
  void *data;
  const void *result;
  float x[6];
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  CHECK_STATUS(APUS_ERROR_NOT_PREPARED, apus_session_run(session, NULL, &error));
  CHECK_STATUS(APUS_ERROR_NOT_PREPARED, apus_session_reset(session, &error));
  CHECK_STATUS(APUS_ERROR_NOT_PREPARED, apus_session_input_size(session, 0, &size, &error));
  CHECK_STATUS(APUS_ERROR_NOT_PREPARED, apus_session_output_size(session, 0, &size, &error));
  CHECK_STATUS(APUS_ERROR_NOT_PREPARED, apus_session_output_shape(session, 0, NULL, 0, &rank, &error));
  CHECK_STATUS(APUS_ERROR_NOT_PREPARED, apus_session_input_buffer(session, 0, &data, &size, &error));
  CHECK_STATUS(APUS_ERROR_NOT_PREPARED, apus_session_output_buffer(session, 0, &result, &size, &error));
  CHECK_STATUS(APUS_ERROR_NOT_PREPARED, apus_session_bind_input(session, 0, x, sizeof x, NULL, NULL, &error));
  CHECK_STATUS(APUS_ERROR_NOT_PREPARED, apus_session_bind_output(session, 0, x, sizeof x, NULL, NULL, &error));
  CHECK_OK(apus_session_unbind_input(session, 0, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void bound_and_own_buffers_give_the_same(void) {
  apus_model *model = load_model("lenet");
  const int64_t extents[4] = {3, 1, 28, 28};
  apus_session *session = open_session(model, NULL, extents, 4);
  static float pixels[3 * 784], bound[30];
  float own[30];
  void *data;
  const void *result;
  uint64_t size;
  fill_random(pixels, 3 * 784, 7);
  CHECK_OK(apus_session_input_size(session, 0, &size, &error));
  CHECK(size == sizeof pixels);
  CHECK_OK(apus_session_input_buffer(session, 0, &data, &size, &error));
  CHECK(size == sizeof pixels);
  memcpy(data, pixels, sizeof pixels);
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK_OK(apus_session_output_buffer(session, 0, &result, &size, &error));
  CHECK(size == sizeof own);
  memcpy(own, result, sizeof own);
  float largest = 0;
  for (int i = 0; i < 30; i++) largest = own[i] * own[i] > largest ? own[i] * own[i] : largest;
  CHECK(largest > 1e-6f);

  CHECK_OK(apus_session_bind_input(session, 0, pixels, sizeof pixels, NULL, NULL, &error));
  CHECK_OK(apus_session_bind_output(session, 0, bound, sizeof bound, NULL, NULL, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_session_input_buffer(session, 0, &data, NULL, &error));
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK(memcmp(own, bound, sizeof own) == 0);
  CHECK_OK(apus_session_output_buffer(session, 0, &result, NULL, &error));
  CHECK(result == bound);
  CHECK_OK(apus_session_unbind_input(session, 0, &error));
  CHECK_OK(apus_session_unbind_output(session, 0, &error));
  memset(bound, 0, sizeof bound);
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK_OK(apus_session_output_buffer(session, 0, &result, NULL, &error));
  CHECK(result != bound && bound[0] == 0 && memcmp(own, result, sizeof own) == 0);
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void images_of_a_batch_do_not_touch_each_other(void) {
  apus_model *model = load_model("lenet");
  static float pixels[5 * 784], together[50], alone[10];
  const int64_t five[4] = {5, 1, 28, 28}, one[4] = {1, 1, 28, 28};
  fill_random(pixels, 5 * 784, 11);
  apus_session *session = open_session(model, NULL, five, 4);
  CHECK_OK(apus_session_bind_input(session, 0, pixels, sizeof pixels, NULL, NULL, &error));
  CHECK_OK(apus_session_bind_output(session, 0, together, sizeof together, NULL, NULL, &error));
  CHECK_OK(apus_session_run(session, NULL, &error));
  const apus_shape shape = {one, 4};
  CHECK_OK(apus_session_prepare(session, &shape, 1, &error));
  for (int i = 0; i < 5; i++) {
    CHECK_OK(apus_session_bind_input(session, 0, pixels + i * 784, 784 * 4, NULL, NULL, &error));
    CHECK_OK(apus_session_bind_output(session, 0, alone, sizeof alone, NULL, NULL, &error));
    CHECK_OK(apus_session_run(session, NULL, &error));
    CHECK(memcmp(alone, together + i * 10, sizeof alone) == 0);
  }
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

// The outputs of a model on random input, with the kernels of a level; the status where this CPU lacks it.
static int32_t run_on_level(const char *name, const int64_t *extents, uint64_t rank, const char *level, float *outputs,
                            uint64_t *size) {
  apus_load_options options;
  apus_load_options_init(&options, sizeof options);
  options.cpu = level;
  apus_model *model = NULL;
  apus_session *session = NULL;
  const apus_shape shape = {extents, rank};
  static float input[3 * 784];
  const void *result;
  fill_random(input, sizeof input / sizeof *input, 23);
  int32_t status = apus_model_load_path(model_path(name), &options, &model, &error);
  if (status == APUS_OK) status = apus_session_create(model, NULL, &session, &error);
  if (status == APUS_OK) status = apus_session_prepare(session, &shape, 1, &error);
  if (status == APUS_OK) status = apus_session_bind_input(session, 0, input, sizeof input, NULL, NULL, &error);
  if (status == APUS_OK) status = apus_session_run(session, NULL, &error);
  if (status == APUS_OK) status = apus_session_output_buffer(session, 0, &result, size, &error);
  if (status == APUS_OK) memcpy(outputs, result, *size);
  apus_session_destroy(session, NULL);
  apus_model_release(model);
  return status;
}

static void every_level_gives_the_same_bits(void) {
  const int64_t images[4] = {3, 1, 28, 28}, sequence[3] = {7, 5, 8}, rows[2] = {3, 512};
  const struct {
    const char *name;
    const int64_t *extents;
    uint64_t rank;
  } models[] = {{"lenet", images, 4}, {"lstm", sequence, 3}, {"slow", rows, 2}};
  static float portable[3 * 512], other[3 * 512];
  uint64_t size, other_size;
  apus_cpu_info cpu;
  apus_cpu_info_init(&cpu, sizeof cpu);
  CHECK_OK(apus_cpu(&cpu, &error));
  for (int m = 0; m < 3; m++) {
    CHECK_OK(run_on_level(models[m].name, models[m].extents, models[m].rank, "portable", portable, &size));
    CHECK(size > 0 && size <= sizeof portable);
    for (int32_t level = APUS_CPU_AVX2; level <= APUS_CPU_AVX512; level++) {
      const int32_t status =
          run_on_level(models[m].name, models[m].extents, models[m].rank, apus_cpu_level_name(level), other, &other_size);
      if (level > cpu.detected_level) {
        CHECK(status == APUS_ERROR_UNSUPPORTED);
        continue;
      }
      CHECK(status == APUS_OK && other_size == size);
      CHECK(memcmp(portable, other, size) == 0);
    }
  }
}

static void shapes_are_checked(void) {
  apus_model *model = load_model("lenet");
  apus_session *session;
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  const int64_t good[4] = {1, 1, 28, 28}, zero[4] = {0, 1, 28, 28}, many[4] = {4097, 1, 28, 28}, other[4] = {1, 2, 28, 28};
  const int64_t negative[4] = {-1, 1, 28, 28}, wild[4] = {INT64_MAX, 1, 28, 28};
  const apus_shape wrong[] = {{zero, 4}, {many, 4}, {other, 4}, {negative, 4}, {wild, 4}, {good, 3}, {good, 0},
                              {good, UINT64_MAX}, {NULL, 0}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    CHECK_STATUS(APUS_ERROR_SHAPE_MISMATCH, apus_session_prepare(session, &wrong[i], 1, &error));
    CHECK_STATUS(APUS_ERROR_NOT_PREPARED, apus_session_run(session, NULL, &error));
  }
  const apus_shape null = {NULL, 4}, twice[2] = {{good, 4}, {good, 4}};
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_prepare(session, &null, 1, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_prepare(session, NULL, 1, &error));
  CHECK_STATUS(APUS_ERROR_SHAPE_MISMATCH, apus_session_prepare(session, NULL, 0, &error));
  CHECK_STATUS(APUS_ERROR_SHAPE_MISMATCH, apus_session_prepare(session, twice, 2, &error));
  CHECK_STATUS(APUS_ERROR_SHAPE_MISMATCH, apus_session_prepare(session, twice, UINT32_MAX, &error));
  // A wrong shape leaves the session as it was.
  CHECK_OK(apus_session_prepare(session, twice, 1, &error));
  CHECK_STATUS(APUS_ERROR_SHAPE_MISMATCH, apus_session_prepare(session, &wrong[1], 1, &error));
  CHECK(strcmp(error.tensor_name, "input") == 0 && error.expected[0] && error.actual[0]);
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void a_multiple_is_asked_for(void) {
  apus_model *model = load_model("gather");
  apus_session *session;
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  const int64_t three = 3, four = 4, none = 0;
  const apus_shape odd = {&three, 1}, even = {&four, 1}, empty = {&none, 1};
  CHECK_STATUS(APUS_ERROR_SHAPE_MISMATCH, apus_session_prepare(session, &odd, 1, &error));
  CHECK_OK(apus_session_prepare(session, &even, 1, &error));
  CHECK_OK(apus_session_prepare(session, &empty, 1, &error));
  uint64_t size = 1;
  CHECK_OK(apus_session_output_size(session, 0, &size, &error));
  CHECK(size == 0);
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void output_shapes_are_told(void) {
  apus_model *model = load_model("lstm");
  const int64_t extents[3] = {7, 2, 8};
  apus_session *session = open_session(model, NULL, extents, 3);
  int64_t shape[3] = {-9, -9, -9};
  uint32_t rank = 0;
  CHECK_STATUS(APUS_ERROR_BUFFER_TOO_SMALL, apus_session_output_shape(session, 0, NULL, 0, &rank, &error));
  CHECK(rank == 3);
  CHECK_STATUS(APUS_ERROR_BUFFER_TOO_SMALL, apus_session_output_shape(session, 0, shape, 2, &rank, &error));
  CHECK(shape[0] == -9);
  CHECK_OK(apus_session_output_shape(session, 0, shape, 3, &rank, &error));
  CHECK(rank == 3 && shape[0] == 1 && shape[1] == 2 && shape[2] == 16);
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_output_shape(session, 0, NULL, 3, &rank, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_output_shape(session, 0, shape, 3, NULL, &error));
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_session_output_shape(session, 1, shape, 3, &rank, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void wrong_buffers_are_refused(void) {
  apus_model *model = load_model("affine");
  apus_session *session = NULL;
  float x[8] = {0}, y[8];
  void *data;
  const void *result;
  uint64_t size;
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  CHECK_OK(apus_session_prepare(session, NULL, 0, &error));
  CHECK_STATUS(APUS_ERROR_BUFFER_TOO_SMALL, apus_session_bind_input(session, 0, x, 23, NULL, NULL, &error));
  CHECK(strcmp(error.tensor_name, "x") == 0 && strstr(error.expected, "24") != NULL && strstr(error.actual, "23") != NULL);
  CHECK_STATUS(APUS_ERROR_BUFFER_TOO_SMALL, apus_session_bind_output(session, 0, y, 0, NULL, NULL, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_session_bind_input(session, 0, (char *)x + 1, 24, NULL, NULL, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_session_bind_output(session, 0, (char *)y + 2, 24, NULL, NULL, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_bind_input(session, 0, NULL, 24, NULL, NULL, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_bind_output(session, 0, NULL, 24, NULL, NULL, &error));
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_session_bind_input(session, 1, x, 24, NULL, NULL, &error));
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_session_bind_output(session, UINT32_MAX, y, 24, NULL, NULL, &error));
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_session_unbind_input(session, 1, &error));
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_session_unbind_output(session, 1, &error));
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_session_input_size(session, 1, &size, &error));
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_session_output_size(session, 1, &size, &error));
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_session_input_buffer(session, 1, &data, &size, &error));
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_session_output_buffer(session, 1, &result, &size, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_input_size(session, 0, NULL, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_output_size(session, 0, NULL, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_input_buffer(session, 0, NULL, &size, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_output_buffer(session, 0, NULL, &size, &error));
  // None of it is bound, and the session still works.
  CHECK_OK(apus_session_bind_input(session, 0, x, UINT64_MAX, NULL, NULL, &error));
  CHECK_OK(apus_session_bind_output(session, 0, y, sizeof y, NULL, NULL, &error));
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK(y[0] == 1 && y[5] == 1);
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void bound_buffers_are_released_once(void) {
  apus_model *model = load_model("lenet");
  static float pixels[2 * 784], logits[20];
  const int64_t one[4] = {1, 1, 28, 28}, two[4] = {2, 1, 28, 28};
  const apus_shape small = {one, 4}, large = {two, 4};
  released in = {0, NULL}, other = {0, NULL}, out = {0, NULL}, failed = {0, NULL};
  apus_session *session = open_session(model, NULL, one, 4);
  CHECK_OK(apus_session_bind_input(session, 0, pixels, 784 * 4, count_release, &in, &error));
  CHECK_OK(apus_session_bind_output(session, 0, logits, sizeof logits, count_release, &out, &error));
  CHECK(in.count == 0);
  // Bound again: the first goes.
  CHECK_OK(apus_session_bind_input(session, 0, pixels + 784, 784 * 4, count_release, &other, &error));
  CHECK(in.count == 1 && in.memory == pixels && other.count == 0);
  // Refused: goes at once, what was bound stays.
  CHECK_STATUS(APUS_ERROR_BUFFER_TOO_SMALL, apus_session_bind_input(session, 0, pixels, 1, count_release, &failed, &error));
  CHECK(failed.count == 1 && other.count == 0);
  // Too small for the new shape: goes; the output still fits and stays.
  CHECK_OK(apus_session_prepare(session, &large, 1, &error));
  CHECK(other.count == 1 && out.count == 0);
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK_OK(apus_session_prepare(session, &small, 1, &error));
  CHECK(out.count == 0);
  CHECK_OK(apus_session_unbind_output(session, 0, &error));
  CHECK(out.count == 1);
  CHECK_OK(apus_session_unbind_output(session, 0, &error));
  CHECK(out.count == 1);
  CHECK_OK(apus_session_bind_output(session, 0, logits, sizeof logits, count_release, &out, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  CHECK(out.count == 2 && in.count == 1 && other.count == 1);
  // The session is gone: refused and released.
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT,
               apus_session_bind_output(session, 0, logits, sizeof logits, count_release, &out, &error));
  CHECK(out.count == 3);
  apus_model_release(model);
}

static void states_are_carried_and_reset(void) {
  apus_model *model = load_model("counter");
  apus_session *session;
  float x[4] = {1, 2, 3, 4}, negative[4];
  const void *result;
  void *data;
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  CHECK_OK(apus_session_prepare(session, NULL, 0, &error));
  CHECK_OK(apus_session_bind_input(session, 0, x, sizeof x, NULL, NULL, &error));
  CHECK_OK(apus_session_bind_output(session, 1, negative, sizeof negative, NULL, NULL, &error));
  for (int run = 1; run <= 3; run++) {
    CHECK_OK(apus_session_run(session, NULL, &error));
    for (int i = 0; i < 4; i++) CHECK(negative[i] == -(float)((10 + run) * (i + 1)));
  }
  CHECK_OK(apus_session_output_buffer(session, 0, &result, NULL, &error));
  CHECK(((const float *)result)[3] == 52);
  CHECK_OK(apus_session_reset(session, &error));
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK(negative[0] == -11);
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_session_bind_input(session, 1, x, sizeof x, NULL, NULL, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_session_input_buffer(session, 1, &data, NULL, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void wrong_data_is_a_status_with_place_and_value(void) {
  apus_model *model = load_model("gather");
  const int64_t four = 4;
  apus_session *session = open_session(model, NULL, &four, 1);
  int64_t indices[4] = {0, 4, -5, 2};
  float rows[12];
  CHECK_OK(apus_session_bind_input(session, 0, indices, sizeof indices, NULL, NULL, &error));
  CHECK_OK(apus_session_bind_output(session, 0, rows, sizeof rows, NULL, NULL, &error));
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK(rows[0] == 0 && rows[3] == 12 && rows[6] == 0 && rows[11] == 8);
  indices[2] = 5;
  CHECK_STATUS(APUS_ERROR_VALUE_OUT_OF_RANGE, apus_session_run(session, NULL, &error));
  CHECK(strstr(error.operator_name, "Gather-13") != NULL && strcmp(error.actual, "5") == 0);
  indices[2] = INT64_MIN;
  CHECK_STATUS(APUS_ERROR_VALUE_OUT_OF_RANGE, apus_session_run(session, NULL, &error));
  indices[2] = 1;
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK(rows[6] == 3);
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void sessions_describe_themselves(void) {
  apus_model *model = load_model("lenet");
  const int64_t extents[4] = {1, 1, 28, 28};
  apus_session *session = open_session(model, NULL, extents, 4);
  apus_session_info info;
  apus_session_info_init(&info, sizeof info);
  CHECK_OK(apus_session_inspect(session, &info, &error));
  CHECK(info.is_prepared == 1 && info.is_allocation_free == 1 && info.threads == 1);
  CHECK(info.arena_bytes > 0 && info.step_count >= 5);
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_inspect(session, NULL, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_session_inspect(session, &info, &error));
  apus_model_release(model);
}

typedef struct progress_record {
  int64_t calls;
  int64_t last;
  int64_t total;
  apus_session *session;
  int32_t status_inside;
} progress_record;

static void on_progress(void *user, int64_t done, int64_t total) {
  progress_record *record = user;
  record->calls++;
  record->last = done;
  record->total = total;
  record->status_inside = apus_session_run(record->session, NULL, NULL);
}

static void profile_and_progress_tell_of_each_step(void) {
  apus_model *model = load_model("lenet");
  const int64_t extents[4] = {1, 1, 28, 28};
  const apus_shape shape = {extents, 4};
  progress_record record = {0, 0, 0, NULL, 0};
  apus_session_options options;
  apus_session_options_init(&options, sizeof options);
  options.profile = 1;
  options.progress = on_progress;
  options.progress_user = &record;
  apus_session *session;
  uint32_t count = 99;
  CHECK_OK(apus_session_create(model, &options, &session, &error));
  record.session = session;
  CHECK_OK(apus_session_profile_count(session, &count, &error));
  CHECK(count == 0);
  CHECK_OK(apus_session_prepare(session, &shape, 1, &error));
  CHECK_OK(apus_session_run(session, NULL, &error));
  apus_session_info info;
  apus_session_info_init(&info, sizeof info);
  CHECK_OK(apus_session_inspect(session, &info, &error));
  CHECK(record.calls > 0 && record.last == record.total && (uint64_t)record.total == info.step_count);
  // A callback that runs its own session is told, not hung.
  CHECK(record.status_inside == APUS_ERROR_BUSY);
  CHECK_OK(apus_session_profile_count(session, &count, &error));
  CHECK(count > 0);
  apus_profile_entry entry;
  apus_profile_entry_init(&entry, sizeof entry);
  uint64_t total = 0, steps = 0;
  int convolutions = 0;
  for (uint32_t i = 0; i < count; i++) {
    CHECK_OK(apus_session_profile(session, i, &entry, &error));
    CHECK(entry.node[0] && entry.operator_kind[0]);
    total += entry.nanoseconds;
    steps += entry.step_count;
    convolutions += strcmp(entry.operator_kind, "Conv") == 0;
  }
  CHECK(total > 0 && steps == info.step_count && convolutions == 2);
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_session_profile(session, count, &entry, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_profile(session, 0, NULL, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_profile_count(session, NULL, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void a_session_without_profile_has_none(void) {
  apus_model *model = load_model("affine");
  apus_session *session;
  apus_profile_entry entry;
  uint32_t count = 99;
  apus_profile_entry_init(&entry, sizeof entry);
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  CHECK_OK(apus_session_prepare(session, NULL, 0, &error));
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK_OK(apus_session_profile_count(session, &count, &error));
  CHECK(count == 0);
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_session_profile(session, 0, &entry, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void wrong_options_are_refused(void) {
  apus_model *model = load_model("affine");
  apus_session *session = (apus_session *)(void *)model;
  apus_session_options options;
  apus_run_options run;
  apus_session_options_init(&options, sizeof options);
  options.profile = 2;
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_session_create(model, &options, &session, &error));
  CHECK(session == NULL);
  options.struct_size = 1;
  CHECK_STATUS(APUS_ERROR_STRUCT_SIZE, apus_session_create(model, &options, &session, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_create(NULL, NULL, &session, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_create(model, NULL, NULL, &error));
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  CHECK_OK(apus_session_prepare(session, NULL, 0, &error));
  memset(&run, 0, sizeof run);
  CHECK_STATUS(APUS_ERROR_STRUCT_SIZE, apus_session_run(session, &run, &error));
  apus_run_options_init(&run, sizeof run);
  run.timeout = UINT64_MAX;
  CHECK_OK(apus_session_run(session, &run, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_session_destroy(session, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_session_run(session, NULL, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_session_cancel(session, NULL, &error));
  CHECK_OK(apus_session_destroy(NULL, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_run(NULL, NULL, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_prepare(NULL, NULL, 0, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_session_cancel(NULL, NULL, NULL));
  apus_model_release(model);
}

static void many_sessions_come_and_go(void) {
  apus_model *model = load_model("affine");
  for (int i = 0; i < 2000; i++) {
    apus_session *session;
    CHECK_OK(apus_session_create(model, NULL, &session, &error));
    CHECK_OK(apus_session_destroy(session, &error));
    CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_session_reset(session, &error));
  }
  apus_model_release(model);
}

int main(int argc, char **argv) {
  static const test_case tests[] = {
      {"nothing_works_before_prepare", nothing_works_before_prepare},
      {"bound_and_own_buffers_give_the_same", bound_and_own_buffers_give_the_same},
      {"images_of_a_batch_do_not_touch_each_other", images_of_a_batch_do_not_touch_each_other},
      {"every_level_gives_the_same_bits", every_level_gives_the_same_bits},
      {"shapes_are_checked", shapes_are_checked},
      {"a_multiple_is_asked_for", a_multiple_is_asked_for},
      {"output_shapes_are_told", output_shapes_are_told},
      {"wrong_buffers_are_refused", wrong_buffers_are_refused},
      {"bound_buffers_are_released_once", bound_buffers_are_released_once},
      {"states_are_carried_and_reset", states_are_carried_and_reset},
      {"wrong_data_is_a_status_with_place_and_value", wrong_data_is_a_status_with_place_and_value},
      {"sessions_describe_themselves", sessions_describe_themselves},
      {"profile_and_progress_tell_of_each_step", profile_and_progress_tell_of_each_step},
      {"a_session_without_profile_has_none", a_session_without_profile_has_none},
      {"wrong_options_are_refused", wrong_options_are_refused},
      {"many_sessions_come_and_go", many_sessions_come_and_go},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
