// Conversion between element types. Each block goes through one of three wide forms that hold its source exactly, so that
// 23 types need 23 ways in and 3 x 23 ways out, not 23 x 23.
#include "half_lanes.h"
#include "wide.h"

#pragma STDC FP_CONTRACT OFF

// Elements worth giving to a thread: some 10 us.
#define ELEMENTS_PER_GRAIN (16 * 1024)

APUSK_HALF_ARRAY(half_to_float, uint16_t, u16x8, uint32_t, u32x8, half_to_float_lanes)
APUSK_HALF_ARRAY(bfloat_to_float, uint16_t, u16x8, uint32_t, u32x8, bfloat_to_float_lanes)
APUSK_HALF_ARRAY(float_to_half, uint32_t, u32x8, uint16_t, u16x8, float_to_half_lanes)
APUSK_HALF_ARRAY(float_to_bfloat, uint32_t, u32x8, uint16_t, u16x8, float_to_bfloat_lanes)

// The conversions that every half-precision model is full of. Returns 0 for others.
static int cast_half(const apusk_cast_args *args, int64_t begin, int64_t count) {
  const char *input = args->input;
  char *output = args->output;
  if (args->from == APUSK_FLOAT16 && args->to == APUSK_FLOAT32) {
    half_to_float((uint32_t *)(output + 4 * begin), (const uint16_t *)(input + 2 * begin), count);
  } else if (args->from == APUSK_BFLOAT16 && args->to == APUSK_FLOAT32) {
    bfloat_to_float((uint32_t *)(output + 4 * begin), (const uint16_t *)(input + 2 * begin), count);
  } else if (args->from == APUSK_FLOAT32 && args->to == APUSK_FLOAT16) {
    float_to_half((uint16_t *)(output + 2 * begin), (const uint32_t *)(input + 4 * begin), count);
  } else if (args->from == APUSK_FLOAT32 && args->to == APUSK_BFLOAT16) {
    float_to_bfloat((uint16_t *)(output + 2 * begin), (const uint32_t *)(input + 4 * begin), count);
  } else {
    return 0;
  }
  return 1;
}

static int32_t cast(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_cast_args *args = args_;
  (void)worker;
  int64_t unit = apusk_wide_unit(args->to);
  int64_t last = end * unit < args->count ? end * unit : args->count;
  if (cast_half(args, begin, last - begin)) return 0;
  apusk_wide_rounding rounding = {.saturate = args->saturate, .round_mode = args->round_mode};
  apusk_wide_block block;
  for (int64_t at = begin * unit; at < last; at += apusk_wide_block_size) {
    int64_t count = last - at < apusk_wide_block_size ? last - at : apusk_wide_block_size;
    apusk_wide_load(&block, args->input, at, count, args->from);
    apusk_wide_store(args->output, at, &block, count, apusk_wide_of(args->from), args->to, rounding);
  }
  return 0;
}

int32_t apusk_cast_plan(int32_t level, const apusk_cast_args *args, apusk_plan *plan) {
  if (level < APUSK_LEVEL_PORTABLE || level > APUSK_LEVEL_AVX512) return 100;
  if (apusk_wide_bits(args->from) == 0 || apusk_wide_bits(args->to) == 0) return 502;
  int64_t unit = apusk_wide_unit(args->to);
  *plan = (apusk_plan){
      .kernel = cast, .units = args->count / unit + (args->count % unit != 0), .grain = ELEMENTS_PER_GRAIN / unit};
  return 0;
}
