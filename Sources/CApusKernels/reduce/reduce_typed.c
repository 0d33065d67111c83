// Sums and means of float64, int32 and int64.
#include <stddef.h>

#include "reduce_walk.h"

#pragma clang fp contract(off)

// `sum_type` is what the lanes add in: unsigned for integers, whose sums wrap. `result` makes the output of `sum`, a `type`.
#define REDUCE_KERNEL(name, type, sum_type, needs_elements, result)                                               \
  static int32_t name(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {                      \
    const apusk_reduce_args *args = args_;                                                                        \
    type *output = args->output;                                                                                  \
    apusk_reduce_walk walk = apusk_reduce_walk_of(args);                                                          \
    if (needs_elements && begin < end && walk.elements == 0) {                                                    \
      worker->fault = (apusp_fault){.code = 600, .lower = 1, .upper = INT64_MAX};                                 \
      return 600;                                                                                                 \
    }                                                                                                             \
    for (int64_t o = begin; o < end; o++) {                                                                       \
      sum_type lanes[16] = {0};                                                                                   \
      int64_t number = 0;                                                                                         \
      for (int64_t run = 0; run < walk.runs && walk.elements > 0; run++) {                                        \
        const type *p =                                                                                           \
            (const type *)args->input + apusk_reduce_start(&walk, o) + apusk_reduce_run_offset(&walk, run);       \
        for (int64_t i = 0; i < walk.run; i++, number++) lanes[number % 16] += (sum_type)p[i * walk.run_stride];  \
      }                                                                                                           \
      for (int half = 8; half > 0; half /= 2) {                                                                   \
        for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];                                               \
      }                                                                                                           \
      type sum = (type)lanes[0];                                                                                  \
      output[o] = (type)(result);                                                                                 \
    }                                                                                                             \
    return 0;                                                                                                     \
  }

REDUCE_KERNEL(sum_f64, double, double, 0, sum)
REDUCE_KERNEL(mean_f64, double, double, 0, sum / (double)walk.elements)
REDUCE_KERNEL(sum_i32, int32_t, uint32_t, 0, sum)
REDUCE_KERNEL(mean_i32, int32_t, uint32_t, 1, sum / walk.elements)
REDUCE_KERNEL(sum_i64, int64_t, uint64_t, 0, sum)
REDUCE_KERNEL(mean_i64, int64_t, uint64_t, 1, sum / walk.elements)

apusp_kernel apusk_reduce_typed_kernel(int32_t function, int32_t element_type) {
  int mean = function == APUSK_REDUCE_MEAN;
  switch (element_type) {
    case APUSK_FLOAT64: return mean ? mean_f64 : sum_f64;
    case APUSK_INT32: return mean ? mean_i32 : sum_i32;
    case APUSK_INT64: return mean ? mean_i64 : sum_i64;
    default: return NULL;
  }
}
