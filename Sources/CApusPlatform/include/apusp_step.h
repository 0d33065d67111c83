// The unit of work that the compiler of programs emits and the executor runs: a kernel and its argument block.
#ifndef APUSP_STEP_H
#define APUSP_STEP_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// What went wrong inside a kernel, in numbers only: the executor's caller turns them into words, with the step's
// operator and tensor names. `code` is a status number of include/apus.h, or 0.
typedef struct apusp_fault {
  int32_t code;
  int32_t operand;   // which input of the operator held the offending value, or -1
  int64_t position;  // flat index of the offending element
  int64_t value;     // the offending value
  int64_t lower;     // the accepted range, lower <= value < upper
  int64_t upper;
} apusp_fault;

// What one thread brings along while it runs kernels.
typedef struct apusp_worker {
  void *scratch;         // 64-byte aligned, scratch_size bytes, planned before the run; contents undefined between steps
  int64_t scratch_size;
  int32_t index;         // 0 is the calling thread
  int64_t phase;         // which of the step's phases the kernel is called for
  // Not 0 where a step is cut into several calls; then the same in all calls of this step in this run and in no others: what a
  // kernel left in this worker's scratch in a call of the same turn is still there.
  uint64_t turn;
  apusp_fault fault;     // written by a kernel that returns a status other than 0
  int32_t status;        // the executor's own: what the failed kernel returned
  int64_t failed_at;     // the executor's own: the first unit of the chunk that failed
  int64_t unused[4];     // 128 bytes: no two workers write to one line of a cache
} apusp_worker;

// Does the units [begin, end) of a step. Units are independent: any split among threads gives the same bits.
// Returns 0 or a status number. Never allocates, locks, or calls the system.
//
// A step of several phases has its kernel called for all units of phase 0, then for all units of phase 1, and so on:
// worker->phase says for which. Between two phases stands a barrier: what any thread wrote in one is seen by all in the
// next. It costs about a microsecond with two threads, and a function call with one. So the time steps of a recurrent
// layer, say, can share out their columns anew each. The same units tend to come to the same thread in each phase.
typedef int32_t (*apusp_kernel)(const void *args, int64_t begin, int64_t end, apusp_worker *worker);

typedef struct apusp_step {
  apusp_kernel kernel;
  const void *args;
  int64_t units;  // all the work, in the kernel's own units
  int64_t grain;  // units that take about 2.5 us: a step of less than half of them stays on the calling thread
  int32_t node;   // index of the program's node, for profiles and errors
  int64_t phases; // 0 is the same as 1
} apusp_step;

#ifdef __cplusplus
}
#endif
#endif
