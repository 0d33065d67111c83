// What a model says about itself, memory requirements and the self test.
#include "check.h"

static void lenet_is_described(void) {
  apus_model *model = load_model("lenet");
  apus_model_info info;
  apus_model_info_init(&info, sizeof info);
  CHECK_OK(apus_model_inspect(model, &info, &error));
  CHECK(info.input_count == 1 && info.output_count == 1 && info.state_count == 0);
  CHECK(info.metadata_count == 2 && info.test_vector_count == 0);
  CHECK(info.node_count == 12 && info.operator_count == 5);
  CHECK(info.flops == 1000 && info.live_bytes == 2000 && info.minimum_version == 1000);
  CHECK(info.weight_bytes == 4 * (6 * 25 + 6 + 16 * 6 * 25 + 16 + 400 * 120 + 120 + 120 * 84 + 84 + 84 * 10 + 10));
  CHECK(strcmp(info.producer, "apus-test-models 1") == 0);
  int different = 0;
  for (int i = 0; i < 32; i++) different |= info.model_id[i];
  CHECK(different != 0);
  apus_model_release(model);
}

static void the_id_is_the_contents(void) {
  apus_model *a = load_model("affine"), *b = load_model("affine"), *c = load_model("affine-wrong"), *d = load_model("lenet");
  apus_model_info ids[4];
  apus_model *models[4] = {a, b, c, d};
  for (int i = 0; i < 4; i++) {
    apus_model_info_init(&ids[i], sizeof ids[i]);
    CHECK_OK(apus_model_inspect(models[i], &ids[i], &error));
  }
  CHECK(memcmp(ids[0].model_id, ids[1].model_id, 32) == 0);
  // Test vectors are metadata: they do not change what a model computes.
  CHECK(memcmp(ids[0].model_id, ids[2].model_id, 32) == 0);
  CHECK(memcmp(ids[0].model_id, ids[3].model_id, 32) != 0);
  for (int i = 0; i < 4; i++) apus_model_release(models[i]);
}

static void inputs_and_outputs_have_shapes(void) {
  apus_model *model = load_model("lenet");
  apus_tensor_info info;
  apus_tensor_info_init(&info, sizeof info);
  CHECK_OK(apus_model_input(model, 0, &info, &error));
  CHECK(strcmp(info.name, "input") == 0 && info.element_type == APUS_TYPE_FLOAT32 && info.rank == 4 && info.state == -1);
  const apus_dimension *n = &info.dimensions[0];
  CHECK(n->extent == APUS_EXTENT_UNKNOWN && strcmp(n->symbol, "N") == 0);
  CHECK(n->minimum == 1 && n->maximum == 4096 && n->multiple == 1);
  CHECK(info.dimensions[1].extent == 1 && info.dimensions[1].symbol == NULL);
  CHECK(info.dimensions[3].extent == 28 && info.dimensions[3].minimum == 28 && info.dimensions[3].maximum == 28);
  CHECK_OK(apus_model_output(model, 0, &info, &error));
  CHECK(strcmp(info.name, "logits") == 0 && info.rank == 2 && info.dimensions[1].extent == 10);
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_model_input(model, 1, &info, &error));
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_model_output(model, UINT32_MAX, &info, &error));
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_model_state(model, 0, (apus_state_info *)(void *)&info, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_input(model, 0, NULL, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_output(NULL, 0, &info, &error));
  apus_model_release(model);
}

static void dimensions_carry_their_bounds(void) {
  apus_model *model = load_model("gather");
  apus_tensor_info info;
  apus_tensor_info_init(&info, sizeof info);
  CHECK_OK(apus_model_input(model, 0, &info, &error));
  CHECK(info.element_type == APUS_TYPE_INT64 && info.rank == 1);
  CHECK(info.dimensions[0].minimum == 0 && info.dimensions[0].maximum == 100 && info.dimensions[0].multiple == 2);
  apus_model_release(model);
  model = load_model("slow");
  CHECK_OK(apus_model_input(model, 0, &info, &error));
  CHECK(info.dimensions[0].maximum == INT64_MAX);
  apus_model_release(model);
}

static void states_name_their_ports(void) {
  apus_model *model = load_model("counter");
  apus_state_info state;
  apus_tensor_info port;
  apus_state_info_init(&state, sizeof state);
  apus_tensor_info_init(&port, sizeof port);
  CHECK_OK(apus_model_state(model, 0, &state, &error));
  CHECK(strcmp(state.name, "sum") == 0 && state.input == 1 && state.output == 0);
  CHECK_OK(apus_model_input(model, state.input, &port, &error));
  CHECK(strcmp(port.name, "sum.in") == 0 && port.state == 0);
  CHECK_OK(apus_model_input(model, 0, &port, &error));
  CHECK(port.state == -1);
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_model_state(model, 1, &state, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_state(model, 0, NULL, &error));
  apus_model_release(model);
}

static void names_are_found(void) {
  apus_model *model = load_model("counter");
  uint32_t index = 99;
  CHECK_OK(apus_model_find_input(model, "sum.in", &index, &error));
  CHECK(index == 1);
  CHECK_OK(apus_model_find_output(model, "negative", &index, &error));
  CHECK(index == 1);
  CHECK_STATUS(APUS_ERROR_UNKNOWN_NAME, apus_model_find_input(model, "negative", &index, &error));
  CHECK(index == 1 && strcmp(error.actual, "negative") == 0);
  CHECK_STATUS(APUS_ERROR_UNKNOWN_NAME, apus_model_find_output(model, "", &index, &error));
  CHECK_STATUS(APUS_ERROR_UNKNOWN_NAME, apus_model_find_output(model, "\xFF\xFF", &index, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_find_input(model, NULL, &index, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_find_input(model, "x", NULL, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_find_output(NULL, "x", &index, &error));
  apus_model_release(model);
}

static void metadata_is_sorted_and_found(void) {
  apus_model *model = load_model("lenet");
  const char *key = NULL, *value = NULL;
  CHECK_OK(apus_model_metadata(model, 0, &key, &value, &error));
  CHECK(strcmp(key, "license") == 0 && strcmp(value, "Apache-2.0") == 0);
  CHECK_OK(apus_model_metadata(model, 1, &key, NULL, &error));
  CHECK(strcmp(key, "task") == 0);
  CHECK_OK(apus_model_metadata(model, 1, NULL, &value, &error));
  CHECK(strcmp(value, "classification") == 0);
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_model_metadata(model, 2, &key, &value, &error));
  CHECK_OK(apus_model_find_metadata(model, "license", &value, &error));
  CHECK(strcmp(value, "Apache-2.0") == 0);
  CHECK_STATUS(APUS_ERROR_UNKNOWN_NAME, apus_model_find_metadata(model, "lic", &value, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_find_metadata(model, NULL, &value, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_find_metadata(model, "license", NULL, &error));
  apus_model_release(model);
}

static void operators_are_listed(void) {
  apus_model *model = load_model("lenet");
  const struct {
    const char *name;
    int32_t version;
    uint32_t nodes;
  } expected[] = {{"Conv", 22, 2}, {"Flatten", 21, 1}, {"Gemm", 13, 3}, {"MaxPool", 22, 2}, {"Relu", 14, 4}};
  apus_operator_info info;
  apus_operator_info_init(&info, sizeof info);
  for (uint32_t i = 0; i < 5; i++) {
    CHECK_OK(apus_model_operator(model, i, &info, &error));
    CHECK(strcmp(info.domain, "ai.onnx") == 0 && strcmp(info.name, expected[i].name) == 0);
    CHECK(info.since_version == expected[i].version && info.node_count == expected[i].nodes);
  }
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, apus_model_operator(model, 5, &info, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_operator(model, 0, NULL, &error));
  apus_model_release(model);
}

static void memory_is_told_beforehand(void) {
  apus_model *model = load_model("lenet");
  const int64_t extents[4] = {4, 1, 28, 28}, wrong[4] = {4, 1, 28, 27};
  const apus_shape shape = {extents, 4}, bad = {wrong, 4};
  apus_memory_info one, two;
  apus_memory_info_init(&one, sizeof one);
  apus_memory_info_init(&two, sizeof two);
  uint64_t before, after, peak;
  CHECK_OK(apus_model_memory(model, &shape, 1, 0, &one, &error));
  CHECK_OK(apus_model_memory(model, &shape, 1, 2, &two, &error));
  CHECK(one.arena_bytes > 0 && one.port_bytes >= 4 * 4 * (784 + 10));
  CHECK(one.session_bytes == one.arena_bytes + one.scratch_bytes + one.control_bytes + one.port_bytes);
  CHECK(two.scratch_bytes >= one.scratch_bytes);
  CHECK_OK(apus_model_memory_use(model, &before, NULL, &error));
  apus_session *session = open_session(model, NULL, extents, 4);
  CHECK_OK(apus_model_memory_use(model, &after, &peak, &error));
  CHECK(after - before <= one.session_bytes + one.packed_bytes + one.constant_bytes);
  CHECK(after - before >= one.session_bytes && peak >= after);
  CHECK_STATUS(APUS_ERROR_SHAPE_MISMATCH, apus_model_memory(model, &bad, 1, 1, &one, &error));
  CHECK_STATUS(APUS_ERROR_SHAPE_MISMATCH, apus_model_memory(model, NULL, 0, 1, &one, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_memory(model, NULL, 1, 1, &one, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_model_memory(model, &shape, 1, UINT32_MAX, &one, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_memory(model, &shape, 1, 1, NULL, &error));
  CHECK_OK(apus_model_memory_use(model, NULL, NULL, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void self_tests_pass_and_fail(void) {
  apus_model *good = load_model("affine"), *wrong = load_model("affine-wrong"), *none = load_model("lenet");
  apus_pool *pool;
  apus_pool_options options;
  apus_pool_options_init(&options, sizeof options);
  options.threads = 2;
  CHECK_OK(apus_pool_create(&options, &pool, &error));
  apus_self_test_info info;
  apus_self_test_info_init(&info, sizeof info);
  CHECK_OK(apus_model_self_test(good, pool, &info, &error));
  CHECK(info.vector_count == 1 && info.output_count == 1 && info.failed_output_count == 0 && info.largest_difference == 0);
  CHECK_STATUS(APUS_ERROR_SELF_TEST_FAILED, apus_model_self_test(wrong, NULL, &info, &error));
  CHECK(info.vector_count == 1 && info.failed_output_count == 1 && info.largest_difference == 0.5);
  CHECK(strcmp(error.tensor_name, "y") == 0 && strstr(error.message, "ramp") != NULL);
  CHECK_STATUS(APUS_ERROR_SELF_TEST_FAILED, apus_model_self_test(wrong, NULL, NULL, NULL));
  CHECK_OK(apus_model_self_test(none, NULL, &info, &error));
  CHECK(info.vector_count == 0);
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_self_test(NULL, NULL, &info, &error));
  apus_pool_release(pool);
  apus_model_release(good);
  apus_model_release(wrong);
  apus_model_release(none);
}

static int32_t load_quantized(uint32_t quantized_ports, apus_model **model) {
  apus_load_options options;
  apus_load_options_init(&options, sizeof options);
  options.quantized_ports = quantized_ports;
  return apus_model_load_path(model_path("quantized"), &options, model, &error);
}

static void quantized_ports_are_integers_where_asked_for(void) {
  apus_tensor_info info;
  apus_tensor_info_init(&info, sizeof info);
  apus_model *model = NULL;
  CHECK_OK(load_quantized(0, &model));
  CHECK_OK(apus_model_input(model, 0, &info, &error));
  CHECK(info.element_type == APUS_TYPE_FLOAT32 && info.is_quantized == 0 && info.scale == 0 && info.zero_point == 0);
  CHECK_OK(apus_model_self_test(model, NULL, NULL, &error));
  apus_model_release(model);

  CHECK_OK(load_quantized(1, &model));
  CHECK_OK(apus_model_input(model, 0, &info, &error));
  CHECK(strcmp(info.name, "x") == 0 && info.element_type == APUS_TYPE_UINT8 && info.rank == 2);
  CHECK(info.is_quantized == 1 && info.scale == 0.5f && info.zero_point == 10);
  CHECK_OK(apus_model_output(model, 0, &info, &error));
  CHECK(strcmp(info.name, "y") == 0 && info.element_type == APUS_TYPE_INT8);
  CHECK(info.is_quantized == 1 && info.scale == 2 && info.zero_point == -3);
  uint32_t index = 9;
  CHECK_OK(apus_model_find_input(model, "x", &index, &error));
  CHECK(index == 0);

  const int64_t extents[2] = {2, 3};
  const apus_shape shape = {extents, 2};
  apus_session *session = NULL;
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  CHECK_OK(apus_session_prepare(session, &shape, 1, &error));
  // Reals 0, 1, -5, 5, 122.5, 3: doubled, and within the int8 of scale 2.
  const uint8_t x[6] = {10, 12, 0, 20, 255, 16};
  const int8_t expected[6] = {-3, -2, -8, 2, 119, 0};
  int8_t y[6] = {0};
  CHECK_OK(apus_session_bind_input(session, 0, x, sizeof x, NULL, NULL, &error));
  CHECK_OK(apus_session_bind_output(session, 0, y, sizeof y, NULL, NULL, &error));
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK(memcmp(y, expected, sizeof y) == 0);
  CHECK_OK(apus_session_destroy(session, &error));
  CHECK_STATUS(APUS_ERROR_UNSUPPORTED, apus_model_self_test(model, NULL, NULL, &error));
  apus_model_release(model);

  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, load_quantized(2, &model));
}

static void handles_of_another_kind_are_refused(void) {
  apus_model *model = load_model("affine");
  apus_model_info info;
  apus_model_info_init(&info, sizeof info);
  uint64_t size;
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_session_input_size((apus_session *)(void *)model, 0, &size, &error));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_model_self_test(model, (apus_pool *)(void *)model, NULL, &error));
  CHECK(strstr(error.expected, "apus_pool") != NULL && strstr(error.actual, "apus_model") != NULL);
  CHECK(apus_pool_threads((apus_pool *)(void *)model) == 0);
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_inspect(NULL, &info, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_inspect(model, NULL, &error));
  apus_model_release(model);
}

int main(int argc, char **argv) {
  static const test_case tests[] = {
      {"lenet_is_described", lenet_is_described},
      {"the_id_is_the_contents", the_id_is_the_contents},
      {"inputs_and_outputs_have_shapes", inputs_and_outputs_have_shapes},
      {"dimensions_carry_their_bounds", dimensions_carry_their_bounds},
      {"states_name_their_ports", states_name_their_ports},
      {"names_are_found", names_are_found},
      {"metadata_is_sorted_and_found", metadata_is_sorted_and_found},
      {"operators_are_listed", operators_are_listed},
      {"memory_is_told_beforehand", memory_is_told_beforehand},
      {"self_tests_pass_and_fail", self_tests_pass_and_fail},
      {"quantized_ports_are_integers_where_asked_for", quantized_ports_are_integers_where_asked_for},
      {"handles_of_another_kind_are_refused", handles_of_another_kind_are_refused},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
