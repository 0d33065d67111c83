#include "trial.h"

#include <apus.h>
#include <stdlib.h>
#include <string.h>

enum {
  MAX_RANK = 8,
  MAX_INPUTS = 8,
  MEMORY_LIMIT = 16 << 20,
  ELEMENT_LIMIT = 1 << 18,
  // Small enough that one run, whatever a changed model computes, ends long before the watch loses patience.
  TIMEOUT_NANOSECONDS = 2000000000
};

static void *allocate(void *user, uint64_t size, uint64_t alignment) {
  uint64_t *in_use = user;
  void *memory = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  *in_use += memory != NULL ? size : 0;
  return memory;
}

static void deallocate(void *user, void *pointer, uint64_t size, uint64_t alignment) {
  (void)alignment;
  uint64_t *in_use = user;
  *in_use -= size;
  free(pointer);
}

// Reads every byte of a string, so that AddressSanitizer sees whether it is all there.
static size_t touch(const char *text) { return text != NULL ? strlen(text) : 0; }

// Asks for everything that a model tells about itself. Returns a status, or 0.
static int32_t look_around(apus_model *model, const apus_model_info *info) {
  volatile size_t seen = touch(info->producer);
  int32_t status = 0;
  for (uint32_t i = 0; i < info->operator_count && status == 0; i++) {
    apus_operator_info operator_info;
    apus_operator_info_init(&operator_info, sizeof operator_info);
    status = apus_model_operator(model, i, &operator_info, NULL);
    seen += touch(operator_info.domain) + touch(operator_info.name);
  }
  for (uint32_t i = 0; i < info->metadata_count && status == 0; i++) {
    const char *key = NULL, *value = NULL;
    status = apus_model_metadata(model, i, &key, &value, NULL);
    seen += touch(key) + touch(value);
  }
  for (uint32_t i = 0; i < info->output_count && status == 0; i++) {
    apus_tensor_info tensor;
    apus_tensor_info_init(&tensor, sizeof tensor);
    status = apus_model_output(model, i, &tensor, NULL);
    seen += touch(tensor.name);
    for (int32_t axis = 0; axis < tensor.rank; axis++) {
      seen += touch(tensor.dimensions[axis].symbol);
    }
  }
  return status;
}

// The least shape that an input allows, 0 excepted; unknown extents become 1. Inputs of states are the session's own.
static int32_t least_shape(apus_model *model, uint32_t index, int64_t extents[MAX_RANK], apus_shape *shape,
                           int32_t *is_state) {
  apus_tensor_info tensor;
  apus_tensor_info_init(&tensor, sizeof tensor);
  const int32_t status = apus_model_input(model, index, &tensor, NULL);
  if (status != 0) {
    return status;
  }
  if (tensor.rank < 0 || tensor.rank > MAX_RANK) {
    return APUS_ERROR_UNSUPPORTED;
  }
  for (int32_t axis = 0; axis < tensor.rank; axis++) {
    const apus_dimension *d = &tensor.dimensions[axis];
    int64_t extent = d->extent;
    if (extent < 0) {
      extent = d->minimum > 1 ? d->minimum : 1;
      if (d->multiple > 1 && extent % d->multiple != 0) {
        extent = extent > INT64_MAX - d->multiple ? extent : extent + d->multiple - extent % d->multiple;
      }
    }
    extents[axis] = extent;
  }
  *shape = (apus_shape){extents, (uint64_t)tensor.rank};
  *is_state = tensor.state >= 0;
  return 0;
}

static int32_t prepare_and_run(apus_model *model, const apus_model_info *info, apus_session *session, trial_result *result) {
  int64_t extents[MAX_INPUTS][MAX_RANK];
  apus_shape shapes[MAX_INPUTS];
  int32_t is_state[MAX_INPUTS];
  if (info->input_count > MAX_INPUTS) {
    return APUS_ERROR_UNSUPPORTED;
  }
  int32_t status = 0;
  for (uint32_t i = 0; i < info->input_count && status == 0; i++) {
    status = least_shape(model, i, extents[i], &shapes[i], &is_state[i]);
  }
  status = status ? status : apus_session_prepare(session, shapes, info->input_count, NULL);
  for (uint32_t i = 0; i < info->input_count && status == 0; i++) {
    if (is_state[i]) {
      continue;
    }
    void *data = NULL;
    uint64_t size = 0;
    status = apus_session_input_buffer(session, i, &data, &size, NULL);
    for (uint64_t b = 0; status == 0 && b + sizeof(float) <= size; b += sizeof(float)) {
      const float value = (float)(b / sizeof(float) % 7) * 0.25f - 0.75f;
      memcpy((uint8_t *)data + b, &value, sizeof value);
    }
  }
  apus_run_options options;
  apus_run_options_init(&options, sizeof options);
  options.timeout = TIMEOUT_NANOSECONDS;
  status = status ? status : apus_session_run(session, &options, NULL);
  if (status != 0 || info->output_count == 0) {
    return status;
  }
  const void *output = NULL;
  uint64_t size = 0;
  status = apus_session_output_buffer(session, 0, &output, &size, NULL);
  if (status == 0) {
    result->output_bytes = size < MAX_OUTPUT_BYTES ? size : MAX_OUTPUT_BYTES;
    if (result->output_bytes > 0) {
      memcpy(result->output, output, result->output_bytes);
    }
  }
  return status;
}

void trial_run(const uint8_t *file, size_t size, trial_result *result) {
  uint64_t in_use = 0;
  result->output_bytes = 0;

  apus_allocator allocator;
  apus_allocator_init(&allocator, sizeof allocator);
  allocator.user = &in_use;
  allocator.allocate = allocate;
  allocator.deallocate = deallocate;
  apus_limits limits;
  apus_limits_init(&limits, sizeof limits);
  limits.file_bytes = MEMORY_LIMIT;
  limits.decompressed_bytes = MEMORY_LIMIT;
  limits.memory_bytes = MEMORY_LIMIT;
  limits.elements = ELEMENT_LIMIT;
  apus_load_options options;
  apus_load_options_init(&options, sizeof options);
  options.allocator = &allocator;
  options.limits = &limits;

  apus_model *model = NULL;
  apus_session *session = NULL;
  apus_model_info info;
  apus_model_info_init(&info, sizeof info);
  int32_t status = apus_model_load_borrowed(file, size, NULL, NULL, &options, &model, NULL);
  status = status ? status : apus_model_inspect(model, &info, NULL);
  status = status ? status : look_around(model, &info);
  if (status == 0) {
    const int32_t tested = apus_model_self_test(model, NULL, NULL, NULL);
    // A changed model may well miss its vectors, and still has to run.
    status = tested == APUS_ERROR_SELF_TEST_FAILED ? 0 : tested;
  }
  status = status ? status : apus_session_create(model, NULL, &session, NULL);
  status = status ? status : prepare_and_run(model, &info, session, result);
  if (session != NULL) {
    const int32_t destroyed = apus_session_destroy(session, NULL);
    status = status ? status : destroyed;
  }
  apus_model_release(model);
  result->status = status;
  result->leaked_bytes = in_use;
}
