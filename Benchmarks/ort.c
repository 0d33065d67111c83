#include "ort.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

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
  RELEASE_ENV = 92,
  RELEASE_MEMORY_INFO = 94,
  RELEASE_SESSION = 95,
  RELEASE_VALUE = 96,
  RELEASE_SESSION_OPTIONS = 100
};
enum { LOG_WARNING = 2, SEQUENTIAL = 0, OPTIMIZE_ALL = 99, ELEMENT_FLOAT = 1, DEVICE_ALLOCATOR = 0, MEMORY_DEFAULT = 0 };

typedef void *entry;  // a function's address, as POSIX lets a pointer hold it
typedef struct api_base {
  const entry *(*get_api)(uint32_t version);
  const char *(*get_version)(void);
} api_base;
typedef const void *status;  // NULL is success

struct ort_session {
  const entry *api;
  const char *version;
  void *environment, *options, *session, *memory, *input, *output;
  const char *input_name, *output_name;
};

static void check(const entry *api, status failure, const char *what) {
  if (failure != NULL) {
    const char *(*message)(status) = (const char *(*)(status))api[GET_ERROR_MESSAGE];
    fprintf(stderr, "ONNX Runtime: %s: %s\n", what, message(failure));
    exit(1);
  }
}

static void *tensor(const entry *api, void *memory, const ort_tensor *t) {
  void *value = NULL;
  typedef status (*create_tensor)(void *, void *, size_t, const int64_t *, size_t, int, void **);
  create_tensor create = (create_tensor)api[CREATE_TENSOR_WITH_DATA];
  check(api, create(memory, t->data, t->count * sizeof(float), t->shape, t->rank, ELEMENT_FLOAT, &value), t->name);
  return value;
}

ort_session *ort_open(const char *library, const char *model_path, int threads, const ort_tensor *input,
                      const ort_tensor *output) {
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  api_base *(*get_base)(void) = handle ? (api_base * (*)(void)) dlsym(handle, "OrtGetApiBase") : NULL;
  if (get_base == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  const api_base *base = get_base();
  const entry *api = base->get_api(1);
  ort_session *s = calloc(1, sizeof *s);
  if (api == NULL || s == NULL) {
    fprintf(stderr, "ONNX Runtime %s does not offer version 1 of its API\n", base->get_version());
    exit(1);
  }
  s->api = api;
  s->version = base->get_version();
  check(api, ((status(*)(int, const char *, void **))api[CREATE_ENV])(LOG_WARNING, "bench", &s->environment), "environment");
  check(api, ((status(*)(void **))api[CREATE_SESSION_OPTIONS])(&s->options), "options");
  typedef status (*set_integer)(void *, int);
  check(api, ((set_integer)api[SET_EXECUTION_MODE])(s->options, SEQUENTIAL), "execution mode");
  check(api, ((set_integer)api[SET_OPTIMIZATION_LEVEL])(s->options, OPTIMIZE_ALL), "optimization level");
  check(api, ((set_integer)api[SET_INTRA_OP_THREADS])(s->options, threads), "threads");
  check(api, ((set_integer)api[SET_INTER_OP_THREADS])(s->options, 1), "threads");
  check(api,
        ((status(*)(void *, const char *, void *, void **))api[CREATE_SESSION])(s->environment, model_path, s->options,
                                                                               &s->session),
        model_path);
  check(api, ((status(*)(int, int, void **))api[CREATE_CPU_MEMORY_INFO])(DEVICE_ALLOCATOR, MEMORY_DEFAULT, &s->memory),
        "memory");
  s->input = tensor(api, s->memory, input);
  s->output = tensor(api, s->memory, output);
  s->input_name = input->name;
  s->output_name = output->name;
  return s;
}

const char *ort_version(const ort_session *session) { return session->version; }

void ort_run(ort_session *s) {
  typedef status (*run)(void *, const void *, const char *const *, const void *const *, size_t, const char *const *, size_t,
                        void **);
  const void *inputs[1] = {s->input};
  check(s->api,
        ((run)s->api[RUN])(s->session, NULL, &s->input_name, inputs, 1, &s->output_name, 1, &s->output), "run");
}

void ort_close(ort_session *s) {
  typedef void (*release)(void *);
  ((release)s->api[RELEASE_VALUE])(s->output);
  ((release)s->api[RELEASE_VALUE])(s->input);
  ((release)s->api[RELEASE_MEMORY_INFO])(s->memory);
  ((release)s->api[RELEASE_SESSION])(s->session);
  ((release)s->api[RELEASE_SESSION_OPTIONS])(s->options);
  ((release)s->api[RELEASE_ENV])(s->environment);
  free(s);
}
