// The few entry points of ONNX Runtime's C API that the benchmark calls. The wheel on PyPI ships the library without its
// header; the API is a table of function pointers whose first version is frozen, so a position names a function for ever.
#ifndef BENCH_ORT_H
#define BENCH_ORT_H

#include <stddef.h>
#include <stdint.h>

typedef struct ort_session ort_session;

typedef struct ort_tensor {
  const char *name;
  float *data;  // stays the caller's; ONNX Runtime reads and writes it in place
  size_t count;
  const int64_t *shape;
  size_t rank;
} ort_tensor;

// Loads `library` (a path of libonnxruntime.so) and the model at `model_path` for the CPU, with all graph optimizations,
// sequential execution and `threads` threads within an operator; everything else as ONNX Runtime has it by default.
// `input` and `output` are bound for the life of the session. Ends the program with a message on failure.
ort_session *ort_open(const char *library, const char *model_path, int threads, const ort_tensor *input,
                      const ort_tensor *output);
const char *ort_version(const ort_session *session);
void ort_run(ort_session *session);
void ort_close(ort_session *session);

#endif
