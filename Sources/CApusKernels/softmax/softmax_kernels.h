// Template: softmax and log-softmax in the order of apusk_softmax.h.
#include "../math/functions.h"
#include "softmax_level.h"

APUSK_INLINE f32x16 larger(f32x16 x, f32x16 largest) { return x > largest ? x : largest; }

// ---- rows of consecutive elements ----------------------------------------------------------------------------------------

APUSK_INLINE float largest_of_lanes(f32x16 v) {
  f32x8 eight = v.lo > v.hi ? v.lo : v.hi;
  f32x4 four = eight.lo > eight.hi ? eight.lo : eight.hi;
  f32x2 two = four.lo > four.hi ? four.lo : four.hi;
  return two[0] > two[1] ? two[0] : two[1];
}

// A row that fits into one vector stays in it.
static void softmax_short_row(const float *x, float *y, int64_t n, int logarithmic) {
  f32x16 v = load_lanes(x, n);
  // NaN would win or lose by its place in the tree: it counts as -inf for the maximum, and shows in the sum.
  f32x16 numbers = v == v ? v : splat(-INFINITY);
  float m = largest_of_lanes(replace_rest(numbers, n, -INFINITY));
  f32x16 e = replace_rest(exp16(v - m), n, 0.0f);
  float sum = sum_of_lanes(e);
  store_lanes(y, logarithmic ? v - m - log16(splat(sum))[0] : e / sum, n);
}

APUSK_INLINE float largest_of(const float *x, int64_t n) {
  f32x16 largest = splat(-INFINITY);
  for (int64_t i = 0; i < n; i += APUSK_LANES) {
    largest = larger(replace_rest(load_lanes(x + i, n - i), n - i < APUSK_LANES ? n - i : APUSK_LANES, -INFINITY), largest);
  }
  return largest_of_lanes(largest);
}

// y[i] = e^(x[i] - m) where y isn't NULL; returns their sum.
APUSK_INLINE float sum_of_exponentials(const float *x, float *y, int64_t n, float m) {
  f32x16 lanes = splat(0.0f);
  int64_t i = 0;
  for (; i + APUSK_LANES <= n; i += APUSK_LANES) {
    f32x16 e = exp16(load16(x + i) - m);
    if (y) store16(y + i, e);
    lanes += e;
  }
  if (i < n) {
    f32x16 e = exp16(load_part(x + i, n - i) - m);
    if (y) store_part(y + i, e, n - i);
    lanes += replace_rest(e, n - i, 0.0f);
  }
  return sum_of_lanes(lanes);
}

static void softmax_row(const float *x, float *y, int64_t n, int logarithmic) {
  if (n <= APUSK_LANES) {
    softmax_short_row(x, y, n, logarithmic);
    return;
  }
  float m = largest_of(x, n);
  float sum = sum_of_exponentials(x, logarithmic ? NULL : y, n, m);
  if (logarithmic) {
    float log_sum = log16(splat(sum))[0];
    for (int64_t i = 0; i < n; i += APUSK_LANES) store_lanes(y + i, load_lanes(x + i, n - i) - m - log_sum, n - i);
  } else {
    for (int64_t i = 0; i < n; i += APUSK_LANES) store_lanes(y + i, load_lanes(y + i, n - i) / sum, n - i);
  }
}

// ---- up to 16 rows side by side, their elements `stride` apart -------------------------------------------------------------

static void softmax_columns(const float *x, float *y, int64_t n, int64_t stride, int64_t columns, int logarithmic) {
  f32x16 m = splat(-INFINITY);
  for (int64_t i = 0; i < n; i++) m = larger(load_lanes(x + i * stride, columns), m);
  f32x16 lanes[APUSK_LANES];
  for (int j = 0; j < APUSK_LANES; j++) lanes[j] = splat(0.0f);
  for (int64_t i = 0; i < n; i++) {
    f32x16 e = exp16(load_lanes(x + i * stride, columns) - m);
    if (!logarithmic) store_lanes(y + i * stride, e, columns);
    lanes[i % APUSK_LANES] += e;
  }
  for (int half = APUSK_LANES / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
  }
  if (logarithmic) {
    f32x16 log_sum = log16(lanes[0]);
    for (int64_t i = 0; i < n; i++) {
      store_lanes(y + i * stride, load_lanes(x + i * stride, columns) - m - log_sum, columns);
    }
  } else {
    for (int64_t i = 0; i < n; i++) {
      store_lanes(y + i * stride, load_lanes(y + i * stride, columns) / lanes[0], columns);
    }
  }
}

static int32_t softmax_rows(const apusk_softmax_args *args, int64_t begin, int64_t end, int logarithmic) {
  int64_t n = args->n, inner = args->inner;
  if (inner == 1) {
    for (int64_t row = begin; row < end; row++) softmax_row(args->input + row * n, args->output + row * n, n, logarithmic);
    return 0;
  }
  for (int64_t row = begin; row < end;) {
    int64_t column = row % inner;
    int64_t columns = inner - column < end - row ? inner - column : end - row;
    if (columns > APUSK_LANES) columns = APUSK_LANES;
    int64_t start = row / inner * n * inner + column;
    softmax_columns(args->input + start, args->output + start, n, inner, columns, logarithmic);
    row += columns;
  }
  return 0;
}

static int32_t softmax(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return softmax_rows(args, begin, end, 0);
}

static int32_t log_softmax(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return softmax_rows(args, begin, end, 1);
}

const apusk_softmax_level APUSK_ISA_NAME(apusk_softmax) = {
    .by_function = {[APUSK_SOFTMAX] = softmax, [APUSK_LOG_SOFTMAX] = log_softmax},
};
