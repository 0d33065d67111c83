// Causal depthwise convolution with a carried state; see apusk_attention.h.
#include <stddef.h>
#include <string.h>

#include "../include/apusk_attention.h"
#include "../include/apusk_math.h"

#pragma clang fp contract(off)

static int32_t causal_conv(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_causal_conv_args *args = args_;
  int64_t length = args->length, before = args->size - 1;
  for (int64_t unit = begin; unit < end; unit++) {
    const float *x = args->input + unit * length, *kernel = args->kernel + unit % args->channels * args->size;
    const float *past = args->past ? args->past + unit * before : NULL;
    float *y = args->output + unit * length;
    for (int64_t t = 0; t < length; t++) {
      float sum = 0;
      for (int64_t i = 0; i < args->size; i++) {
        int64_t at = t + i - before;
        sum += kernel[i] * (at >= 0 ? x[at] : past ? past[at + before] : 0.0f);
      }
      y[t] = args->bias ? sum + args->bias[unit % args->channels] : sum;
    }
    if (args->silu) {
      float *sigmoid = worker->scratch;
      apusk_sigmoid_f32_portable(sigmoid, y, length);
      for (int64_t t = 0; t < length; t++) y[t] *= sigmoid[t];
    }
    for (int64_t i = 0; args->state && i < before; i++) {
      int64_t at = length - before + i;
      args->state[unit * before + i] = at >= 0 ? x[at] : past ? past[at + before] : 0.0f;
    }
  }
  return 0;
}

int32_t apusk_causal_conv_plan(const apusk_causal_conv_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = causal_conv, .units = args->batch * args->channels};
  plan->grain = 1 + (int64_t)(20000.0 / ((double)args->length * (double)args->size + 8.0));
  return __builtin_mul_overflow(args->length, (int64_t)sizeof(float), &plan->scratch_bytes) ? 301 : 0;
}
