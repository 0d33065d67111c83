#include <stddef.h>

#include "../include/apusk_loss.h"

#pragma clang fp contract(off)

#define LOSS(name, type)                                                                              \
  static void name(const apusk_nll_args *args, int64_t unit, int64_t target, int ignored) {           \
    type weight = ignored ? 0 : args->weight ? ((const type *)args->weight)[target] : 1;              \
    type loss = 0;                                                                                    \
    if (!ignored) {                                                                                   \
      int64_t place = (unit / args->inner * args->classes + target) * args->inner + unit % args->inner; \
      loss = -((const type *)args->scores)[place] * weight;                                           \
    }                                                                                                 \
    ((type *)args->losses)[unit] = loss;                                                              \
    if (args->weights) ((type *)args->weights)[unit] = weight;                                        \
  }

LOSS(loss_f32, float)
LOSS(loss_f64, double)

static int32_t nll(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_nll_args *args = args_;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t target =
        args->target_bytes == 4 ? ((const int32_t *)args->targets)[unit] : ((const int64_t *)args->targets)[unit];
    int ignored = args->has_ignore_index && target == args->ignore_index;
    if (!ignored && (target < 0 || target >= args->classes)) {
      worker->fault =
          (apusp_fault){.code = 600, .operand = 1, .position = unit, .value = target, .lower = 0, .upper = args->classes};
      return 600;
    }
    if (args->element_type == APUSK_FLOAT32) {
      loss_f32(args, unit, target, ignored);
    } else {
      loss_f64(args, unit, target, ignored);
    }
  }
  return 0;
}

int32_t apusk_nll_plan(const apusk_nll_args *args, apusk_plan *plan) {
  if (args->element_type != APUSK_FLOAT32 && args->element_type != APUSK_FLOAT64) return 502;
  *plan = (apusk_plan){.kernel = nll, .units = args->outer * args->inner, .grain = 4096};
  return 0;
}
