// OpenVINO's CPU plugin, through its C API, whose headers and library the wheel on PyPI has.

#include <openvino/c/openvino.h>

#include <stdio.h>

#include "runtime.h"

static ov_infer_request_t *request;

static void check(ov_status_e status, const char *what) {
  if (status != OK) {
    const char *message = ov_get_last_err_msg();
    fail(what, message != NULL ? message : ov_get_error_info(status));
  }
}

static ov_tensor_t *wrap(tensor *t) {
  ov_shape_t shape = {0};
  ov_tensor_t *value = NULL;
  check(ov_shape_create((int64_t)t->rank, t->shape, &shape), "OpenVINO: shape");
  check(ov_tensor_create_from_host_ptr(t->type == INT64 ? I64 : F32, shape, t->data, &value), "OpenVINO: tensor");
  return value;
}

void runtime_open(const char *path, int threads, tensors *t) {
  ov_core_t *core = NULL;
  ov_model_t *model = NULL;
  ov_compiled_model_t *compiled = NULL;
  check(ov_core_create(&core), "OpenVINO: core");
  check(ov_core_read_model(core, path, NULL, &model), "OpenVINO: read");
  const char *names[MAXIMUM_TENSORS];
  ov_partial_shape_t shapes[MAXIMUM_TENSORS];
  for (size_t i = 0; i < t->input_count; i++) {
    names[i] = t->inputs[i].name;
    check(ov_partial_shape_create_static((int64_t)t->inputs[i].rank, t->inputs[i].shape, &shapes[i]), "OpenVINO: shape");
  }
  check(ov_model_reshape(model, names, shapes, t->input_count), "OpenVINO: reshape");
  char count[16];
  snprintf(count, sizeof count, "%d", threads);
  // By default OpenVINO computes in bfloat16 where the CPU can; the comparison is between results of the same precision.
  check(ov_core_compile_model(core, model, "CPU", 8, &compiled, "PERFORMANCE_HINT", "LATENCY", "INFERENCE_PRECISION_HINT", "f32",
                              "INFERENCE_NUM_THREADS", count, "NUM_STREAMS", "1"),
        "OpenVINO: compile");
  check(ov_compiled_model_create_infer_request(compiled, &request), "OpenVINO: request");
  for (size_t i = 0; i < t->input_count; i++) {
    check(ov_infer_request_set_tensor(request, t->inputs[i].name, wrap(&t->inputs[i])), t->inputs[i].name);
  }
  for (size_t i = 0; i < t->output_count; i++) {
    check(ov_infer_request_set_tensor(request, t->outputs[i].name, wrap(&t->outputs[i])), t->outputs[i].name);
  }
}

void runtime_run(void) { check(ov_infer_request_infer(request), "OpenVINO: infer"); }

const char *runtime_version(void) {
  static ov_version_t version;
  check(ov_get_openvino_version(&version), "OpenVINO: version");
  return version.buildNumber;
}
