// ONNX Runtime's CPU provider, through the few entry points of its C API that are needed. The wheel on PyPI ships the library
// without its header; the API is a table of function pointers whose first version is frozen, so a position names a function for
// ever.

#include "runtime.h"

// Positions in the table of version 1 of the API.
enum {
  GET_ERROR_MESSAGE = 2,
  CREATE_ENV = 3,
  CREATE_SESSION = 7,
  RUN = 9,
  CREATE_SESSION_OPTIONS = 10,
  SET_EXECUTION_MODE = 13,
  SET_OPTIMIZATION_LEVEL = 23,
  SET_INTRA_OP_THREADS = 24,
  SET_INTER_OP_THREADS = 25,
  CREATE_TENSOR_WITH_DATA = 49,
  CREATE_CPU_MEMORY_INFO = 69,
};
enum {
  LOG_ERROR = 3, SEQUENTIAL = 0, OPTIMIZE_ALL = 99, ELEMENT_FLOAT = 1, ELEMENT_INT64 = 7, DEVICE_ALLOCATOR = 0,
  MEMORY_DEFAULT = 0
};

typedef void *entry;         // a function's address, as POSIX lets a pointer hold it
typedef const void *status;  // NULL is success
typedef status (*run_function)(void *, const void *, const char *const *, const void *const *, size_t, const char *const *,
                               size_t, void **);
typedef struct api_base {
  const entry *(*get_api)(uint32_t version);
  const char *(*get_version)(void);
} api_base;

extern const api_base *OrtGetApiBase(void);

static const api_base *base;
static const entry *api;
static void *session, *memory;
static const char *input_names[MAXIMUM_TENSORS], *output_names[MAXIMUM_TENSORS];
static void *inputs[MAXIMUM_TENSORS], *outputs[MAXIMUM_TENSORS];
static size_t input_count, output_count;

static void check(status failure) {
  if (failure != NULL) {
    fail("ONNX Runtime", ((const char *(*)(status))api[GET_ERROR_MESSAGE])(failure));
  }
}

static void *wrap(tensor *t) {
  void *value = NULL;
  typedef status (*create_tensor)(void *, void *, size_t, const int64_t *, size_t, int, void **);
  check(((create_tensor)api[CREATE_TENSOR_WITH_DATA])(memory, t->data, t->bytes, t->shape, t->rank,
                                                      t->type == INT64 ? ELEMENT_INT64 : ELEMENT_FLOAT, &value));
  return value;
}

// All graph optimizations, sequential execution, `threads` threads within an operator; else ONNX Runtime's own defaults.
void runtime_open(const char *path, int threads, tensors *t) {
  base = OrtGetApiBase();
  api = base->get_api(1);
  if (api == NULL) {
    fail("ONNX Runtime", "does not offer version 1 of its API");
  }
  void *environment, *options;
  check(((status(*)(int, const char *, void **))api[CREATE_ENV])(LOG_ERROR, "bench", &environment));
  check(((status(*)(void **))api[CREATE_SESSION_OPTIONS])(&options));
  typedef status (*set_integer)(void *, int);
  check(((set_integer)api[SET_EXECUTION_MODE])(options, SEQUENTIAL));
  check(((set_integer)api[SET_OPTIMIZATION_LEVEL])(options, OPTIMIZE_ALL));
  check(((set_integer)api[SET_INTRA_OP_THREADS])(options, threads));
  check(((set_integer)api[SET_INTER_OP_THREADS])(options, 1));
  check(((status(*)(void *, const char *, void *, void **))api[CREATE_SESSION])(environment, path, options, &session));
  check(((status(*)(int, int, void **))api[CREATE_CPU_MEMORY_INFO])(DEVICE_ALLOCATOR, MEMORY_DEFAULT, &memory));
  input_count = t->input_count;
  output_count = t->output_count;
  for (size_t i = 0; i < input_count; i++) {
    input_names[i] = t->inputs[i].name;
    inputs[i] = wrap(&t->inputs[i]);
  }
  for (size_t i = 0; i < output_count; i++) {
    output_names[i] = t->outputs[i].name;
    outputs[i] = wrap(&t->outputs[i]);
  }
}

void runtime_run(void) {
  check(((run_function)api[RUN])(session, NULL, input_names, (const void *const *)inputs, input_count, output_names, output_count,
                                 outputs));
}

const char *runtime_version(void) { return base->get_version(); }
