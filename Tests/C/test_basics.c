// Version, build, CPU, statuses, error text, element types, and the rules of struct_size.
#include "check.h"

static void version_is_that_of_the_header(void) {
  CHECK(apus_version() == APUS_VERSION);
  CHECK(APUS_VERSION == APUS_VERSION_MAJOR * 1000000 + APUS_VERSION_MINOR * 1000 + APUS_VERSION_PATCH);
  CHECK(strcmp(apus_version_string(), APUS_VERSION_STRING) == 0);
}

static void build_says_what_it_is(void) {
  apus_build_info info;
  apus_build_info_init(&info, sizeof info);
  CHECK_OK(apus_build(&info, &error));
  CHECK(strncmp(info.compiler, "Swift ", 6) == 0);
  CHECK(strcmp(info.operator_pack, "core") == 0);
  CHECK(info.is_embedded <= 1);
  CHECK(info.operator_count >= 29);
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_build(NULL, &error));
  CHECK(strstr(error.message, "info") != NULL);
}

static void cpu_is_known(void) {
  apus_cpu_info info;
  apus_cpu_info_init(&info, sizeof info);
  CHECK_OK(apus_cpu(&info, &error));
  CHECK(info.brand[0] != '\0');
  CHECK(info.detected_level >= APUS_CPU_PORTABLE && info.detected_level <= APUS_CPU_AVX512);
  CHECK(info.level <= info.detected_level);
  CHECK(info.threads >= 1);
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_cpu(NULL, &error));
}

static void cpu_level_follows_the_environment(void) {
  apus_cpu_info info;
  apus_cpu_info_init(&info, sizeof info);
  const char *before = getenv("APUS_CPU");
  char saved[64] = "";
  if (before != NULL) snprintf(saved, sizeof saved, "%s", before);
  setenv("APUS_CPU", "portable", 1);
  const int32_t portable = apus_cpu(&info, &error);
  setenv("APUS_CPU", "z80", 1);
  const int32_t unknown = apus_cpu(&info, &error);
  if (before != NULL) {
    setenv("APUS_CPU", saved, 1);
  } else {
    unsetenv("APUS_CPU");
  }
  CHECK(portable == APUS_OK && info.level == APUS_CPU_PORTABLE);
  CHECK(unknown == APUS_ERROR_UNKNOWN_NAME && strstr(error.message, "APUS_CPU") != NULL);
}

static void levels_have_names(void) {
  CHECK(strcmp(apus_cpu_level_name(APUS_CPU_PORTABLE), "portable") == 0);
  CHECK(strcmp(apus_cpu_level_name(APUS_CPU_AVX2), "avx2") == 0);
  CHECK(strcmp(apus_cpu_level_name(APUS_CPU_AVX512), "avx512") == 0);
  CHECK(strcmp(apus_cpu_level_name(-7), "unknown") == 0);
}

static void statuses_have_their_names(void) {
#define SAME(status) CHECK(strcmp(apus_status_name(status), #status) == 0)
  SAME(APUS_OK);
  SAME(APUS_ERROR_INVALID_ARGUMENT);
  SAME(APUS_ERROR_NULL_POINTER);
  SAME(APUS_ERROR_STRUCT_SIZE);
  SAME(APUS_ERROR_UNKNOWN_NAME);
  SAME(APUS_ERROR_INDEX_OUT_OF_RANGE);
  SAME(APUS_ERROR_TYPE_MISMATCH);
  SAME(APUS_ERROR_SHAPE_MISMATCH);
  SAME(APUS_ERROR_BUFFER_TOO_SMALL);
  SAME(APUS_ERROR_NOT_PREPARED);
  SAME(APUS_ERROR_BUSY);
  SAME(APUS_ERROR_CANCELLED);
  SAME(APUS_ERROR_DEADLINE_EXCEEDED);
  SAME(APUS_ERROR_NOT_BOUND);
  SAME(APUS_ERROR_OUT_OF_MEMORY);
  SAME(APUS_ERROR_LIMIT_EXCEEDED);
  SAME(APUS_ERROR_IO);
  SAME(APUS_ERROR_FILE_NOT_FOUND);
  SAME(APUS_ERROR_THREAD_CREATION);
  SAME(APUS_ERROR_NOT_APUS_FILE);
  SAME(APUS_ERROR_UNSUPPORTED_VERSION);
  SAME(APUS_ERROR_UNSUPPORTED_FEATURE);
  SAME(APUS_ERROR_TRUNCATED);
  SAME(APUS_ERROR_CHECKSUM_MISMATCH);
  SAME(APUS_ERROR_MALFORMED);
  SAME(APUS_ERROR_DECOMPRESSION);
  SAME(APUS_ERROR_INVALID_MODEL);
  SAME(APUS_ERROR_UNSUPPORTED_OPERATOR);
  SAME(APUS_ERROR_UNSUPPORTED_TYPE);
  SAME(APUS_ERROR_INVALID_ATTRIBUTE);
  SAME(APUS_ERROR_SHAPE_INFERENCE);
  SAME(APUS_ERROR_UNSUPPORTED);
  SAME(APUS_ERROR_VALUE_OUT_OF_RANGE);
  SAME(APUS_ERROR_SELF_TEST_FAILED);
  SAME(APUS_ERROR_INTERNAL);
#undef SAME
  CHECK(strcmp(apus_status_name(1), "unknown status") == 0);
  CHECK(strcmp(apus_status_name(INT32_MIN), "unknown status") == 0);
}

static void errors_are_written_on_one_line(void) {
  apus_error sample = {APUS_ERROR_MALFORMED, 0, 77, "bad", "f.apus", "conv (Conv-22)", "w", "4", "5"};
  char line[256];
  const char *expected = "f.apus: operator conv (Conv-22): tensor 'w': bad (expected 4, got 5, at byte 77)";
  CHECK(apus_error_format(&sample, line, sizeof line) == strlen(expected));
  CHECK(strcmp(line, expected) == 0);
  CHECK(apus_error_format(&sample, NULL, 0) == strlen(expected));
  CHECK(apus_error_format(&sample, line, 0) == strlen(expected));
  CHECK(apus_error_format(&sample, line, 5) == strlen(expected) && strcmp(line, "f.ap") == 0);
  CHECK(apus_error_format(NULL, line, sizeof line) == 0 && line[0] == '\0');
}

static void error_text_is_cut_between_characters(void) {
  apus_error sample;
  memset(&sample, 0, sizeof sample);
  sample.status = APUS_ERROR_MALFORMED;
  sample.file_offset = APUS_NO_OFFSET;
  strcpy(sample.message, "a\xC3\xA9z"); /* a, e with acute accent, z */
  char line[8];
  CHECK(apus_error_format(&sample, line, 3) == 4 && strcmp(line, "a") == 0);
  CHECK(apus_error_format(&sample, line, 4) == 4 && strcmp(line, "a\xC3\xA9") == 0);
}

static void an_array_without_its_nul_is_read_to_its_end_only(void) {
  apus_error sample;
  memset(&sample, 'x', sizeof sample);
  sample.status = APUS_ERROR_MALFORMED;
  sample.file_offset = APUS_NO_OFFSET;
  char line[8192];
  const uint64_t size = apus_error_format(&sample, line, sizeof line);
  CHECK(size > 2000 && size < 3000 && strlen(line) == size);
}

static void success_clears_the_error(void) {
  memset(&error, 'x', sizeof error);
  apus_build_info info;
  apus_build_info_init(&info, sizeof info);
  CHECK_OK(apus_build(&info, &error));
  CHECK(error.status == APUS_OK && error.reserved == 0 && error.file_offset == APUS_NO_OFFSET);
  CHECK(!error.message[0] && !error.file[0] && !error.operator_name[0] && !error.tensor_name[0] && !error.expected[0] &&
        !error.actual[0]);
}

static void element_types(void) {
  CHECK(strcmp(apus_type_name(APUS_TYPE_FLOAT32), "float32") == 0);
  CHECK(strcmp(apus_type_name(APUS_TYPE_INT2), "int2") == 0);
  CHECK(strcmp(apus_type_name(0), "unknown") == 0);
  CHECK(apus_type_bits(APUS_TYPE_FLOAT32) == 32 && apus_type_bits(APUS_TYPE_INT4) == 4);
  CHECK(apus_type_bits(APUS_TYPE_STRING) == 0 && apus_type_bits(999) == 0 && apus_type_bits(-1) == 0);
}

static void tensor_sizes(void) {
  uint64_t size = 0;
  const int64_t extents[3] = {2, 3, 5}, wild[3] = {INT64_MAX, INT64_MAX, 8}, negative[1] = {-1};
  const apus_shape shape = {extents, 3}, scalar = {NULL, 0}, huge = {wild, 3}, bad = {negative, 1};
  const apus_shape absurd = {extents, UINT64_MAX}, null = {NULL, 2};
  CHECK_OK(apus_tensor_size(APUS_TYPE_FLOAT32, &shape, &size, &error));
  CHECK(size == 120);
  CHECK_OK(apus_tensor_size(APUS_TYPE_INT4, &shape, &size, &error));
  CHECK(size == 15);
  CHECK_OK(apus_tensor_size(APUS_TYPE_FLOAT64, &scalar, &size, &error));
  CHECK(size == 8);
  CHECK_STATUS(APUS_ERROR_SHAPE_MISMATCH, apus_tensor_size(APUS_TYPE_FLOAT32, &huge, &size, &error));
  CHECK_STATUS(APUS_ERROR_SHAPE_MISMATCH, apus_tensor_size(APUS_TYPE_FLOAT32, &bad, &size, &error));
  CHECK_STATUS(APUS_ERROR_SHAPE_MISMATCH, apus_tensor_size(APUS_TYPE_FLOAT32, &absurd, &size, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_tensor_size(APUS_TYPE_FLOAT32, &null, &size, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_tensor_size(APUS_TYPE_STRING, &shape, &size, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_tensor_size(0, &shape, &size, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_tensor_size(APUS_TYPE_FLOAT32, NULL, &size, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_tensor_size(APUS_TYPE_FLOAT32, &shape, NULL, NULL));
  CHECK(size == 8);
}

static void init_sets_size_and_defaults(void) {
  apus_limits limits;
  memset(&limits, 0xFF, sizeof limits);
  apus_limits_init(&limits, sizeof limits);
  CHECK(limits.struct_size == sizeof limits);
  CHECK(limits.file_bytes == (uint64_t)1 << 40 && limits.decompressed_bytes == (uint64_t)1 << 40);
  CHECK(limits.memory_bytes == UINT64_MAX && limits.operators == 1000000 && limits.rank == 64);
  CHECK(limits.elements == (uint64_t)1 << 40);
#define ZEROED(type)                                                               \
  do {                                                                             \
    apus_##type value;                                                             \
    memset(&value, 0xFF, sizeof value);                                            \
    apus_##type##_init(&value, sizeof value);                                      \
    CHECK(value.struct_size == sizeof value);                                      \
    for (size_t i = 8; i < sizeof value; i++) CHECK(((char *)&value)[i] == 0);     \
    apus_##type##_init(NULL, sizeof value);                                        \
  } while (0)
  ZEROED(build_info);
  ZEROED(cpu_info);
  ZEROED(allocator);
  ZEROED(load_options);
  ZEROED(model_info);
  ZEROED(tensor_info);
  ZEROED(state_info);
  ZEROED(operator_info);
  ZEROED(memory_info);
  ZEROED(pool_options);
  ZEROED(parallel_for);
  ZEROED(session_options);
  ZEROED(session_info);
  ZEROED(run_options);
  ZEROED(profile_entry);
  ZEROED(self_test_info);
#undef ZEROED
}

static void init_never_writes_past_the_size(void) {
  unsigned char bytes[64];
  memset(bytes, 0xAA, sizeof bytes);
  apus_limits_init((apus_limits *)(void *)bytes, 7);
  for (size_t i = 0; i < sizeof bytes; i++) CHECK(bytes[i] == 0xAA);
  apus_limits_init((apus_limits *)(void *)bytes, 16);
  for (size_t i = 16; i < sizeof bytes; i++) CHECK(bytes[i] == 0xAA);
}

// A program built with a newer header: its structure is longer.
typedef struct newer_pool_options {
  apus_pool_options known;
  uint64_t more[4];
} newer_pool_options;

static void longer_structures_are_read_if_what_is_new_is_zero(void) {
  newer_pool_options options;
  memset(&options, 0xFF, sizeof options);
  apus_pool_options_init(&options.known, sizeof options);
  CHECK(options.known.struct_size == sizeof options && options.more[3] == 0);
  options.known.threads = 1;
  apus_pool *pool = NULL;
  CHECK_OK(apus_pool_create(&options.known, &pool, &error));
  apus_pool_release(pool);
  options.more[2] = 1;
  CHECK_STATUS(APUS_ERROR_STRUCT_SIZE, apus_pool_create(&options.known, &pool, &error));
  CHECK(pool == NULL && strstr(error.message, "apus_pool_options") != NULL);
}

static void wrong_struct_sizes_are_refused(void) {
  apus_pool *pool = NULL;
  apus_pool_options options;
  apus_pool_options_init(&options, sizeof options);
  const uint64_t wrong[] = {0, 1, 8, sizeof options - 1, 1 << 20, UINT64_MAX};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    options.struct_size = wrong[i];
    CHECK_STATUS(APUS_ERROR_STRUCT_SIZE, apus_pool_create(&options, &pool, &error));
    apus_cpu_info info;
    apus_cpu_info_init(&info, sizeof info);
    info.struct_size = wrong[i];
    if (wrong[i] < sizeof info || wrong[i] > 4096) CHECK_STATUS(APUS_ERROR_STRUCT_SIZE, apus_cpu(&info, &error));
  }
}

static void a_longer_result_keeps_what_the_library_does_not_know(void) {
  struct {
    apus_build_info known;
    uint64_t more;
  } info;
  apus_build_info_init(&info.known, sizeof info);
  info.more = 42;
  CHECK_OK(apus_build(&info.known, &error));
  CHECK(info.more == 42 && info.known.struct_size == sizeof info && info.known.operator_count > 0);
}

int main(int argc, char **argv) {
  static const test_case tests[] = {
      {"version_is_that_of_the_header", version_is_that_of_the_header},
      {"build_says_what_it_is", build_says_what_it_is},
      {"cpu_is_known", cpu_is_known},
      {"cpu_level_follows_the_environment", cpu_level_follows_the_environment},
      {"levels_have_names", levels_have_names},
      {"statuses_have_their_names", statuses_have_their_names},
      {"errors_are_written_on_one_line", errors_are_written_on_one_line},
      {"error_text_is_cut_between_characters", error_text_is_cut_between_characters},
      {"an_array_without_its_nul_is_read_to_its_end_only", an_array_without_its_nul_is_read_to_its_end_only},
      {"success_clears_the_error", success_clears_the_error},
      {"element_types", element_types},
      {"tensor_sizes", tensor_sizes},
      {"init_sets_size_and_defaults", init_sets_size_and_defaults},
      {"init_never_writes_past_the_size", init_never_writes_past_the_size},
      {"longer_structures_are_read_if_what_is_new_is_zero", longer_structures_are_read_if_what_is_new_is_zero},
      {"wrong_struct_sizes_are_refused", wrong_struct_sizes_are_refused},
      {"a_longer_result_keeps_what_the_library_does_not_know", a_longer_result_keeps_what_the_library_does_not_know},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
