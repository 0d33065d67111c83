// What the runner needs of a runtime. Each runtime is a file that defines these functions, and a program of its own.
#ifndef BENCH_RUNTIME_H
#define BENCH_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

enum { MAXIMUM_RANK = 8, MAXIMUM_TENSORS = 64, NAME_SIZE = 256 };

typedef enum element { FLOAT32, INT64 } element;

// An input or output in the runner's memory, in which runs read and write it.
typedef struct tensor {
  char name[NAME_SIZE];
  element type;
  int64_t shape[MAXIMUM_RANK];
  size_t rank, count, bytes;
  void *data;
} tensor;

typedef struct tensors {
  tensor inputs[MAXIMUM_TENSORS], outputs[MAXIMUM_TENSORS];
  size_t input_count, output_count;
} tensors;

// All of them end the program with a message on failure.
void runtime_open(const char *model, int threads, tensors *t);
void runtime_run(void);
const char *runtime_version(void);

// Prints a message and ends the program.
_Noreturn void fail(const char *what, const char *why);

#endif
