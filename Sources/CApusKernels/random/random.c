#include <stddef.h>

#include "../cast/wide.h"
#include "../include/apusk_random.h"
#include "mt19937.h"

#pragma STDC FP_CONTRACT OFF

// Which of the two bounds counts decides no probability; it is NumPy's choice.
static int bernoulli(mt19937 *state, double p) {
  double u = mt19937_uniform(state);
  return p <= 0.5 ? u > 1 - p : u <= p;
}

// The class of a row of logarithms of probabilities at which their running sum passes a random share of the whole.
static int64_t multinomial(mt19937 *state, const apusk_random_args *args, int64_t row) {
  double value[apusk_wide_block_size], largest = -INFINITY, total = 0;
  int64_t first = row * args->classes;
  for (int pass = 0; pass < 2; pass++) {
    for (int64_t at = 0; at < args->classes; at += apusk_wide_block_size) {
      int64_t count = args->classes - at < apusk_wide_block_size ? args->classes - at : apusk_wide_block_size;
      apusk_wide_load_doubles(value, args->input, first + at, count, args->input_type);
      for (int64_t n = 0; n < count; n++) {
        if (pass == 0) {
          largest = value[n] > largest ? value[n] : largest;
        } else {
          total += exp(value[n] - largest);
        }
      }
    }
  }
  double left = mt19937_uniform(state) * total;
  int64_t chosen = 0;
  for (int64_t at = 0; at < args->classes; at += apusk_wide_block_size) {
    int64_t count = args->classes - at < apusk_wide_block_size ? args->classes - at : apusk_wide_block_size;
    apusk_wide_load_doubles(value, args->input, first + at, count, args->input_type);
    for (int64_t n = 0; n < count; n++) {
      double share = exp(value[n] - largest);
      if (share > 0) chosen = at + n;
      left -= share;
      if (left < 0) return chosen;
    }
  }
  return chosen;
}

static int32_t draw(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_random_args *args = args_;
  if (begin >= end) return 0;
  mt19937 *state = worker->scratch;
  mt19937_seed(state, args->seed);
  double ratio = 0.5, input[apusk_wide_block_size];
  int drops = args->training && *args->training;
  if (args->ratio) apusk_wide_load_doubles(&ratio, args->ratio, 0, 1, args->ratio_type);
  if (ratio == 0) drops = 0;
  double factor = 1 / (1 - ratio);
  int reads_elements = args->function == APUSK_RANDOM_BERNOULLI || args->function == APUSK_RANDOM_DROPOUT;
  apusk_wide_block block;
  for (int64_t at = 0; at < args->count; at += apusk_wide_block_size) {
    int64_t count = args->count - at < apusk_wide_block_size ? args->count - at : apusk_wide_block_size;
    if (reads_elements) apusk_wide_load_doubles(input, args->input, at, count, args->input_type);
    for (int64_t n = 0; n < count; n++) {
      switch (args->function) {
        case APUSK_RANDOM_UNIFORM: block.f[n] = args->alpha + (args->beta - args->alpha) * mt19937_uniform(state); break;
        case APUSK_RANDOM_NORMAL: block.f[n] = args->alpha + args->beta * mt19937_normal(state); break;
        case APUSK_RANDOM_BERNOULLI: block.f[n] = bernoulli(state, input[n]); break;
        case APUSK_RANDOM_MULTINOMIAL: block.f[n] = (double)multinomial(state, args, (at + n) / args->samples); break;
        default: {
          int stays = !drops || mt19937_uniform(state) >= ratio;
          block.f[n] = !drops ? input[n] : stays ? input[n] * factor : 0;
          if (args->mask) args->mask[at + n] = (uint8_t)stays;
        }
      }
    }
    apusk_wide_store(args->output, at, &block, count, apusk_wide_float, args->output_type, (apusk_wide_rounding){1, 0});
  }
  return 0;
}

int32_t apusk_random_plan(int32_t level, const apusk_random_args *args, apusk_plan *plan) {
  if (level < APUSK_LEVEL_PORTABLE || level > APUSK_LEVEL_AVX512) return 100;
  if (args->function < APUSK_RANDOM_UNIFORM || args->function > APUSK_RANDOM_DROPOUT) return 100;
  if (apusk_wide_bits(args->output_type) < 8) return 502;
  if (args->function >= APUSK_RANDOM_BERNOULLI && apusk_wide_bits(args->input_type) < 8) return 502;
  *plan = (apusk_plan){.kernel = draw, .units = args->count > 0, .grain = 1, .scratch_bytes = sizeof(mt19937)};
  return 0;
}
