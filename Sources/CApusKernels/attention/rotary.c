// Rotary position embedding (Su et al. 2021); see apusk_attention.h.
#include <stddef.h>
#include <string.h>

#include "../include/apusk_attention.h"

#pragma clang fp contract(off)

static int32_t rotary(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_rotary_args *args = args_;
  int64_t half = args->half, step = args->interleaved ? 2 : 1, second = args->interleaved ? 1 : half;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t head = unit % args->heads, token = unit / args->heads % args->sequence, batch = unit / args->heads / args->sequence;
    int64_t position = batch * args->sequence + token;
    if (args->positions) {
      int64_t place = args->one_position ? 0 : batch * args->position_batch_stride + token * args->position_token_stride;
      position = args->positions[place];
      if (args->one_position && __builtin_add_overflow(position, token, &position)) position = -1;
      if (position < 0 || position >= args->cache_rows) {
        worker->fault = (apusp_fault){.code = 600, .operand = (int32_t)args->position_operand, .position = place,
                                      .value = position, .lower = 0, .upper = args->cache_rows};
        return 600;
      }
    }
    const float *cosine = args->cosine + position * half, *sine = args->sine + position * half;
    int64_t offset = batch * args->batch_stride + token * args->token_stride + head * args->head_stride;
    const float *x = args->input + offset;
    float *y = args->output + offset;
    for (int64_t i = 0; i < half; i++) {
      float a = x[i * step], b = x[i * step + second];
      y[i * step] = (cosine[i] * a - sine[i] * b) * args->scale;
      y[i * step + second] = (sine[i] * a + cosine[i] * b) * args->scale;
    }
    for (int64_t i = 2 * half; i < args->head_size; i++) y[i] = x[i];
  }
  return 0;
}

int32_t apusk_rotary_plan(const apusk_rotary_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){
      .kernel = rotary, .units = args->batch * args->sequence * args->heads, .grain = 1 + 20000 / (args->head_size + 8)};
  return 0;
}
