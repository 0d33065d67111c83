#include "pool_nd.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#pragma clang fp contract(off)

// Output pixels of one image.
#define POOL_PIXELS(args) pixels_of(args)

static int64_t pixels_of(const apusk_pool_nd_args *args) {
  int64_t pixels = 1;
  for (int32_t a = 0; a < args->axes; a++) pixels *= args->axis[a].output;
  return pixels;
}

double apusk_pool_root(double sum, int32_t p) {
  if (p == 1 || !(sum > 0) || sum > 1.7976931348623157e308) return sum;
  if (p == 2) return __builtin_sqrt(sum);
  // The bits of positive numbers ascend with them: bisection finds the largest one whose power is not above the sum.
  uint64_t low = 0, high = UINT64_C(0x7ff0000000000000);
  while (high - low > 1) {
    uint64_t middle = low + (high - low) / 2;
    double root;
    memcpy(&root, &middle, sizeof root);
    if (apusk_pool_power(root, p) <= sum) {
      low = middle;
    } else {
      high = middle;
    }
  }
  double root;
  memcpy(&root, &low, sizeof root);
  return root;
}

#define ELEMENT float
#define POOL_NAME(name) name##_f32
#define LOWEST -INFINITY
#define POOL_IS_FLOAT
#include "pool_nd_typed.h"
#define ELEMENT double
#define POOL_NAME(name) name##_f64
#define LOWEST -INFINITY
#define POOL_IS_FLOAT
#include "pool_nd_typed.h"
#define ELEMENT int8_t
#define POOL_NAME(name) name##_i8
#define LOWEST INT8_MIN
#include "pool_nd_typed.h"
#define ELEMENT uint8_t
#define POOL_NAME(name) name##_u8
#define LOWEST 0
#include "pool_nd_typed.h"

typedef void (*window_function)(const apusk_pool_nd_args *args, const apusk_pool_window *window, int64_t first,
                                int64_t count, int64_t output);

static window_function function_of(const apusk_pool_nd_args *args) {
  if (args->function == APUSK_POOL_ND_MAX) {
    switch (args->element_type) {
      case APUSK_FLOAT32: return max_f32;
      case APUSK_FLOAT64: return max_f64;
      case APUSK_INT8: return max_i8;
      case APUSK_UINT8: return max_u8;
      default: return NULL;
    }
  }
  bool is_average = args->function == APUSK_POOL_ND_AVERAGE;
  if (!is_average && (args->function != APUSK_POOL_ND_LP || args->p < 1)) return NULL;
  switch (args->element_type) {
    case APUSK_FLOAT32: return is_average ? average_f32 : lp_f32;
    case APUSK_FLOAT64: return is_average ? average_f64 : lp_f64;
    default: return NULL;
  }
}

// Window positions whose place start + i * dilation lies in 0 ..< size: first, and how many.
static int64_t positions(const apusk_pool_axis *axis, int64_t start, int64_t size, int64_t *first) {
  *first = start < 0 ? (-start + axis->dilation - 1) / axis->dilation : 0;
  int64_t last = size > start ? (size - start + axis->dilation - 1) / axis->dilation : 0;
  if (last > axis->kernel) last = axis->kernel;
  return last > *first ? last - *first : 0;
}

static apusk_pool_window window_of(const apusk_pool_nd_args *args, int64_t pixel) {
  apusk_pool_window window = {.axes = args->axes, .elements = 1, .padded = 1};
  int64_t stride = 1, index_stride = 1;
  for (int32_t a = 0; a < args->axes && args->column_major; a++) {
    window.index_step[a] = index_stride;
    index_stride *= args->axis[a].input;
  }
  index_stride = 1;
  for (int32_t a = args->axes - 1; a >= 0; a--) {
    const apusk_pool_axis *axis = &args->axis[a];
    int64_t start = pixel % axis->output * axis->stride - axis->pad_begin, first, ignored;
    pixel /= axis->output;
    window.count[a] = positions(axis, start, axis->input, &first);
    window.elements *= window.count[a];
    window.padded *= positions(axis, start + axis->pad_begin, axis->input + axis->pad_begin + axis->pad_end, &ignored);
    if (!args->column_major) window.index_step[a] = index_stride;
    index_stride *= axis->input;
    if (window.count[a] == 0) first = 0, start = 0;
    int64_t place = start + first * axis->dilation;
    window.pixel += place * stride;
    window.index += place * window.index_step[a];
    window.pixel_step[a] = axis->dilation * stride;
    window.index_step[a] *= axis->dilation;
    stride *= axis->input;
  }
  window.pixel += pixel * stride;
  return window;
}

// Units: output pixels of all images, parts of the channels.
static int32_t run(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  const apusk_pool_nd_args *args = args_;
  window_function function = function_of(args);
  int64_t parts = (args->channels + POOL_CHANNELS - 1) / POOL_CHANNELS;
  apusk_pool_window window = {0};
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t pixel = unit / parts, first = unit % parts * POOL_CHANNELS;
    if (first == 0 || unit == begin) window = window_of(args, pixel);
    int64_t count = args->channels - first < POOL_CHANNELS ? args->channels - first : POOL_CHANNELS;
    function(args, &window, first, count, pixel * args->channels + first);
  }
  return 0;
}

static bool in_range(int64_t value, int64_t least) { return value >= least && value <= INT32_MAX; }

static bool axis_makes_sense(const apusk_pool_axis *axis) {
  return in_range(axis->input, 0) && in_range(axis->output, 0) && in_range(axis->kernel, 1) && in_range(axis->stride, 1) &&
         in_range(axis->dilation, 1) && in_range(axis->pad_begin, 0) && in_range(axis->pad_end, 0);
}

int32_t apusk_pool_nd_plan(const apusk_pool_nd_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = run, .grain = 1};
  if (args->axes < 1 || args->axes > APUSK_POOL_MAX_AXES || !in_range(args->batch, 0) || !in_range(args->channels, 0) ||
      !function_of(args)) {
    return 100;
  }
  int64_t input = args->batch * args->channels, pixels = args->batch, window = 1;
  bool overflow = false;
  for (int32_t a = 0; a < args->axes; a++) {
    const apusk_pool_axis *axis = &args->axis[a];
    if (!axis_makes_sense(axis)) return 100;
    // As much of a window as can lie in the image.
    window *= axis->kernel < axis->input ? axis->kernel : axis->input;
    overflow = overflow || __builtin_mul_overflow(input, axis->input, &input) || input > INT64_MAX / 16 ||
               __builtin_mul_overflow(pixels, axis->output, &pixels);
  }
  int64_t parts = (args->channels + POOL_CHANNELS - 1) / POOL_CHANNELS;
  if (overflow || __builtin_mul_overflow(pixels, parts, &plan->units)) return 301;
  plan->grain = 1 + 65536 / (64 + (window < 65536 ? window : 65536) * 16);
  return 0;
}
