// Which elements of an axis a Resize weighs how: all that ONNX says of coordinates and filters.
#include <math.h>
#include <stdbool.h>

#include "../include/apusk_resample.h"

#pragma clang fp contract(off)

// Where output element `i` lies on the input's axis.
static double coordinate(const apusk_resize_axis *axis, int64_t i) {
  double x = (double)i, size = (double)axis->input_size, resized = axis->scale * size;
  switch (axis->coordinates) {
    case APUSK_RESIZE_ALIGN_CORNERS: return resized == 1 ? 0 : x * (size - 1) / (resized - 1);
    case APUSK_RESIZE_ASYMMETRIC: return x / axis->scale;
    case APUSK_RESIZE_TF_CROP_AND_RESIZE: {
      double extent = axis->roi_end - axis->roi_start;
      double offset = resized == 1 ? extent * (size - 1) / 2 : x * extent * (size - 1) / (resized - 1);
      return offset + axis->roi_start * (size - 1);
    }
    case APUSK_RESIZE_PYTORCH_HALF_PIXEL: return axis->output_size > 1 ? (x + 0.5) / axis->scale - 0.5 : 0;
    case APUSK_RESIZE_HALF_PIXEL_SYMMETRIC: {
      double adjustment = (double)axis->output_size / resized;
      return size / 2 * (1 - adjustment) + (x + 0.5) / axis->scale - 0.5;
    }
    default: return (x + 0.5) / axis->scale - 0.5;
  }
}

static bool is_outside(const apusk_resize_axis *axis, double x) {
  // Written so that NaN is outside.
  return axis->coordinates == APUSK_RESIZE_TF_CROP_AND_RESIZE && !(x >= 0 && x <= (double)(axis->input_size - 1));
}

static int64_t held(double x, int64_t size) {
  if (!(x > 0)) return 0;
  return x > (double)(size - 1) ? size - 1 : (int64_t)x;
}

void apusk_resize_fill_nearest(const apusk_resize_axis *axis, int64_t *table) {
  for (int64_t i = 0; i < axis->output_size; i++) {
    double x = coordinate(axis, i);
    if (is_outside(axis, x)) {
      table[i] = -1;
      continue;
    }
    switch (axis->rounding) {
      case APUSK_RESIZE_ROUND_PREFER_CEIL: x = floor(x + 0.5); break;
      case APUSK_RESIZE_FLOOR: x = floor(x); break;
      case APUSK_RESIZE_CEIL: x = ceil(x); break;
      default: x = ceil(x - 0.5); break;
    }
    table[i] = held(x, axis->input_size);
  }
}

// The factor that the filter is stretched by for antialiasing.
static double filter_scale(const apusk_resize_axis *axis) {
  return axis->antialias && axis->scale < 1 ? axis->scale : 1;
}

// Half the taps: the filter covers x - half + 1 ... x + half around an x rounded down.
static double half_width(const apusk_resize_axis *axis) {
  double support = axis->mode == APUSK_RESIZE_CUBIC ? 2 : 1;
  return -floor(-support / filter_scale(axis));
}

int64_t apusk_resize_tap_count(const apusk_resize_axis *axis) {
  if (!(axis->scale > 0) || !(axis->scale < 0x1p62) || axis->input_size < 1 || axis->input_size > INT32_MAX) return 0;
  double half = half_width(axis);
  // Taps beyond the axis' ends have the ends' elements; a filter much wider than any axis is a mistake.
  return half > 0x1p30 ? 0 : 2 * (int64_t)half;
}

static double linear(double x) {
  x = fabs(x);
  return x < 1 ? 1 - x : 0;
}

// Keys' cubic convolution (https://ieeexplore.ieee.org/document/1163711, equation 4).
static double cubic(double x, double a) {
  x = fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

void apusk_resize_fill_taps(const apusk_resize_axis *axis, apusk_resize_tap *taps) {
  int64_t count = apusk_resize_tap_count(axis);
  double stretch = filter_scale(axis);
  for (int64_t i = 0; i < axis->output_size; i++, taps += count) {
    double x = coordinate(axis, i), sum = 0;
    if (is_outside(axis, x)) {
      for (int64_t k = 0; k < count; k++) taps[k] = (apusk_resize_tap){.index = -1};
      continue;
    }
    // The whole taps around x; where x is whole itself, it is the last of the first half.
    double first = ceil(x) - (double)(count / 2);
    int32_t heavy = 0;  // an element with weight
    for (int64_t k = 0; k < count; k++) {
      double at = first + (double)k, distance = (x - at) * stretch;
      double weight = axis->mode == APUSK_RESIZE_CUBIC ? cubic(distance, axis->cubic_a) : linear(distance);
      if (axis->exclude_outside && !(at >= 0 && at < (double)axis->input_size)) weight = 0;
      taps[k] = (apusk_resize_tap){.weight = weight, .index = (int32_t)held(at, axis->input_size)};
      if (weight != 0) heavy = taps[k].index;
      sum += weight;
    }
    // Weights of the plain filters add up to one by themselves.
    bool is_scaled = (axis->antialias || axis->exclude_outside) && sum != 0;
    for (int64_t k = 0; k < count; k++) {
      if (is_scaled) taps[k].weight /= sum;
      taps[k].single = (float)taps[k].weight;
      // What does not count must not spoil the sum, be it NaN.
      if (taps[k].weight == 0) taps[k].index = heavy;
    }
  }
}
