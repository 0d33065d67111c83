// Template: sums and means of float32 in the order of apusk_reduce.h.
#include "../math/vectors.h"
#include "reduce_walk.h"

// Adds `count` consecutive elements, the first of which is number `first` of its output.
APUSK_INLINE f32x16 add_run(f32x16 lanes, const float *p, int64_t count, int64_t first) {
  int64_t i = 0;
  int64_t lane = first % APUSK_LANES;
  for (; lane != 0 && i < count; i++) {
    lanes[lane] += p[i];
    lane = (lane + 1) % APUSK_LANES;
  }
  for (; i + APUSK_LANES <= count; i += APUSK_LANES) lanes += load16(p + i);
  // Lanes start at +0 and so are never -0: adding +0 to those beyond the end changes nothing.
  if (i < count) lanes += load_part(p + i, count - i);
  return lanes;
}

static float sum_contiguous(const apusk_reduce_walk *walk, const float *p) {
  f32x16 lanes = splat(0.0f);
  for (int64_t run = 0; run < walk->runs; run++) {
    lanes = add_run(lanes, p + apusk_reduce_run_offset(walk, run), walk->run, run * walk->run);
  }
  return sum_of_lanes(lanes);
}

// Adds 16 elements at a time of 16 outputs that lie side by side to their lanes, which stay in registers.
APUSK_INLINE void add_columns(f32x16 *lanes, const float *p, int64_t sixteens, int64_t stride) {
  f32x16 sums[APUSK_LANES];
#pragma clang loop unroll(full)
  for (int j = 0; j < APUSK_LANES; j++) sums[j] = lanes[j];
  for (int64_t i = 0; i < sixteens; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < APUSK_LANES; j++, p += stride) sums[j] += load16(p);
  }
#pragma clang loop unroll(full)
  for (int j = 0; j < APUSK_LANES; j++) lanes[j] = sums[j];
}

// `columns` <= 16 outputs that lie side by side in the input: vector j holds lane j of each of them.
static __attribute__((noinline)) f32x16 sum_columns(const apusk_reduce_walk *walk, const float *p, int64_t columns) {
  f32x16 lanes[APUSK_LANES];
  for (int j = 0; j < APUSK_LANES; j++) lanes[j] = splat(0.0f);
  int64_t number = 0;
  for (int64_t run = 0; run < walk->runs; run++) {
    const float *element = p + apusk_reduce_run_offset(walk, run);
    int64_t i = 0;
    if (APUSK_ISA > 0 && columns == APUSK_LANES && number % APUSK_LANES == 0) {
      i = walk->run / APUSK_LANES * APUSK_LANES;
      add_columns(lanes, element, i / APUSK_LANES, walk->run_stride);
      element += i * walk->run_stride;
      number += i;
    }
    for (; i < walk->run; i++, number++, element += walk->run_stride) {
      lanes[number % APUSK_LANES] += load_lanes(element, columns);
    }
  }
  for (int half = APUSK_LANES / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

// Units are outputs where each one's elements lie side by side, else as many outputs side by side as a vector has lanes: the
// lines of a cache that hold them are one thread's.
APUSK_INLINE int32_t reduce_f32(const void *args_, int64_t begin, int64_t end, int mean) {
  const apusk_reduce_args *args = args_;
  const float *input = args->input;
  float *output = args->output;
  apusk_reduce_walk walk = apusk_reduce_walk_of(args);
  float divisor = (float)walk.elements;
  if (!apusk_reduce_is_by_columns(&walk)) {
    for (int64_t o = begin; o < end; o++) {
      float sum = sum_contiguous(&walk, input + (walk.elements > 0 ? apusk_reduce_start(&walk, o) : 0));
      output[o] = mean ? sum / divisor : sum;
    }
    return 0;
  }
  int64_t width = walk.kept_shape[walk.kept_rank - 1], blocks = apusk_reduce_blocks(&walk);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t first = unit % blocks * APUSK_LANES, o = unit / blocks * width + first;
    int64_t columns = width - first < APUSK_LANES ? width - first : APUSK_LANES;
    f32x16 sum = sum_columns(&walk, input + apusk_reduce_start(&walk, o), columns);
    store_lanes(output + o, mean ? sum / divisor : sum, columns);
  }
  return 0;
}

static int32_t sum_f32(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return reduce_f32(args, begin, end, 0);
}

static int32_t mean_f32(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return reduce_f32(args, begin, end, 1);
}

const apusk_reduce_level APUSK_ISA_NAME(apusk_reduce) = {
    .f32 = {[APUSK_REDUCE_SUM] = sum_f32, [APUSK_REDUCE_MEAN] = mean_f32},
};
