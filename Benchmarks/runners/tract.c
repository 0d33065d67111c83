// tract, through the C functions that the library in its wheel on PyPI exports. They have no header there; these are the
// declarations as the wheel's own Python modules use them. It computes on one thread, whatever the row says.

#include <stdio.h>
#include <string.h>

#include "runtime.h"

typedef struct onnx onnx;
typedef struct inference_model inference_model;
typedef struct model model;
typedef struct runnable runnable;
typedef struct state state;
typedef struct value value;

extern const char *tract_version(void);
extern const char *tract_get_last_error(void);
extern int tract_onnx_create(onnx **);
extern int tract_onnx_load(const onnx *, const char *path, inference_model **);
extern int tract_inference_fact_parse(inference_model *, const char *, void **fact);
extern int tract_inference_model_input_count(const inference_model *, size_t *);
extern int tract_inference_model_input_name(const inference_model *, size_t, char **);
extern int tract_inference_model_set_input_fact(inference_model *, size_t, const void *fact);
extern int tract_inference_model_output_count(const inference_model *, size_t *);
extern int tract_inference_model_into_model(inference_model **, model **);
extern int tract_model_into_runnable(model **, runnable **);
extern int tract_runnable_spawn_state(runnable *, state **);
extern int tract_state_run(state *, value **inputs, value **outputs);
extern int tract_tensor_from_bytes(int type, size_t rank, const size_t *shape, const void *, value **);
extern int tract_tensor_as_bytes(value *, int *type, size_t *rank, const size_t **shape, const void **);
extern int tract_tensor_destroy(value **);

enum { TYPE_INT64 = 0x28, TYPE_FLOAT32 = 0x34 };

static tensors *all;
static state *session;
static value *inputs[MAXIMUM_TENSORS], *outputs[MAXIMUM_TENSORS];

static void check(int failed) {
  if (failed != 0) {
    fail("tract", tract_get_last_error());
  }
}

static const tensor *find_input(const char *name) {
  for (size_t i = 0; i < all->input_count; i++) {
    if (strcmp(all->inputs[i].name, name) == 0) {
      return &all->inputs[i];
    }
  }
  fail("tract has an input of its own", name);
}

static value *input(inference_model *m, size_t place, const tensor *t) {
  char fact[256] = "";
  size_t shape[MAXIMUM_RANK], length = 0;
  for (size_t i = 0; i < t->rank; i++) {
    shape[i] = (size_t)t->shape[i];
    length += (size_t)snprintf(fact + length, sizeof fact - length, "%zu,", shape[i]);
  }
  snprintf(fact + length, sizeof fact - length, "%s", t->type == INT64 ? "i64" : "f32");
  void *parsed;
  check(tract_inference_fact_parse(m, fact, &parsed));
  check(tract_inference_model_set_input_fact(m, place, parsed));
  value *v;
  check(tract_tensor_from_bytes(t->type == INT64 ? TYPE_INT64 : TYPE_FLOAT32, t->rank, shape, t->data, &v));
  return v;
}

void runtime_open(const char *path, int threads, tensors *t) {
  (void)threads;
  all = t;
  onnx *reader;
  inference_model *inferred;
  model *typed;
  runnable *plan;
  check(tract_onnx_create(&reader));
  check(tract_onnx_load(reader, path, &inferred));
  size_t count;
  char *name;
  check(tract_inference_model_input_count(inferred, &count));
  for (size_t i = 0; i < count && i < MAXIMUM_TENSORS; i++) {
    check(tract_inference_model_input_name(inferred, i, &name));
    inputs[i] = input(inferred, i, find_input(name));
  }
  check(tract_inference_model_output_count(inferred, &count));
  if (count != t->output_count) {
    fail("tract", "has another number of outputs");
  }
  check(tract_inference_model_into_model(&inferred, &typed));
  check(tract_model_into_runnable(&typed, &plan));
  check(tract_runnable_spawn_state(plan, &session));
}

// tract makes its outputs itself, in the model's order and under names of its own. They are copied into the runner's memory,
// where the other runtimes leave theirs.
void runtime_run(void) {
  check(tract_state_run(session, inputs, outputs));
  for (size_t i = 0; i < all->output_count; i++) {
    int type;
    size_t rank;
    const size_t *shape;
    const void *data;
    check(tract_tensor_as_bytes(outputs[i], &type, &rank, &shape, &data));
    memcpy(all->outputs[i].data, data, all->outputs[i].bytes);
    check(tract_tensor_destroy(&outputs[i]));
  }
}

const char *runtime_version(void) { return tract_version(); }
