// Apus as the benchmark runs it: through the public C ABI, with input and output in the caller's memory.
#ifndef BENCH_APUS_SIDE_H
#define BENCH_APUS_SIDE_H

#include <stddef.h>
#include <stdint.h>

typedef struct apus_side apus_side;

// Loads the model, prepares it for `shape` with a pool of `threads` threads, binds input and output. Ends the program with
// a message on failure.
apus_side *apus_side_open(const char *model_path, int threads, const float *input, size_t input_count, const int64_t *shape,
                          size_t rank, float *output, size_t output_count);
void apus_side_run(apus_side *side);
// Name of the kernels' instruction set.
const char *apus_side_kernels(const apus_side *side);
void apus_side_close(apus_side *side);

#endif
