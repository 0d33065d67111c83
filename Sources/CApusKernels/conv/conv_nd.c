// Phases, taps and windows of convolutions over any number of axes.
#include "conv_nd.h"

#include <string.h>

static bool in_range(int64_t value, int64_t least) { return value >= least && value <= INT32_MAX; }

static int64_t greatest_common_divisor(int64_t a, int64_t b) {
  while (b != 0) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

// x with a * x = 1 modulo m, for coprime a, m >= 1: Euclid's extended algorithm.
static int64_t inverse_modulo(int64_t a, int64_t m) {
  int64_t r0 = m, r1 = a % m, x0 = 0, x1 = 1;
  while (r1 != 0) {
    int64_t quotient = r0 / r1, r = r0 - quotient * r1, x = x0 - quotient * x1;
    r0 = r1;
    r1 = r;
    x0 = x1;
    x1 = x;
  }
  return m == 1 ? 0 : (x0 % m + m) % m;
}

int32_t apusk_conv_geometry_check(apusk_conv_geometry *g) {
  if (g->axes < 1 || g->axes > APUSK_CONV_MAX_AXES || !in_range(g->batch, 0) || !in_range(g->cin, 1) ||
      !in_range(g->cout, 1) || !in_range(g->groups, 1) || g->cin % g->groups != 0 || g->cout % g->groups != 0) {
    return 100;
  }
  int64_t input = g->batch, output = g->batch, weights = g->cin / g->groups;
  bool overflow = __builtin_mul_overflow(input, g->cin, &input) || __builtin_mul_overflow(output, g->cout, &output) ||
                  __builtin_mul_overflow(weights, (g->cout + 31) & ~(int64_t)31, &weights) ||
                  __builtin_mul_overflow(weights, g->groups, &weights);
  for (int32_t a = 0; a < g->axes; a++) {
    apusk_conv_axis *axis = &g->axis[a];
    if (!in_range(axis->input, 0) || !in_range(axis->output, 0) || !in_range(axis->kernel, 1) ||
        !in_range(axis->stride, 1) || !in_range(axis->dilation, 1) || !in_range(axis->pad, 0)) {
      return 100;
    }
    axis->common = greatest_common_divisor(axis->stride, axis->dilation);
    axis->inverse = inverse_modulo(axis->dilation / axis->common, axis->stride / axis->common);
    overflow = overflow || __builtin_mul_overflow(input, axis->input, &input) ||
               __builtin_mul_overflow(output, axis->output, &output) ||
               __builtin_mul_overflow(weights, axis->kernel, &weights);
  }
  // 16 bytes an element, 32 columns for each group that has fewer: what buffers and offsets are made of.
  const int64_t most = INT64_MAX / 1024;
  return overflow || input > most || output > most || weights > most ? 301 : 0;
}

// Residues of output positions that occur: each is a phase of the axis.
static int64_t axis_phases(const apusk_conv_geometry *g, int32_t a) {
  const apusk_conv_axis *axis = &g->axis[a];
  if (!g->transposed) return 1;
  return axis->stride < axis->output ? axis->stride : axis->output;
}

static apusk_phase_axis phase_axis(const apusk_conv_geometry *g, int32_t a, int64_t residue) {
  const apusk_conv_axis *axis = &g->axis[a];
  if (!g->transposed) {
    return (apusk_phase_axis){axis->output, 0, 1, axis->kernel, 0, 1, axis->stride, -axis->pad, axis->dilation};
  }
  apusk_phase_axis phase = {
      .outputs = apusk_divide_up(axis->output - residue, axis->stride), .first_output = residue,
      .output_step = axis->stride, .tap_step = -(axis->stride / axis->common), .input_step = 1,
      .offset_step = axis->dilation / axis->common};
  int64_t shifted = residue + axis->pad;
  if (shifted % axis->common != 0) return phase;
  // The lowest tap t with t * dilation = shifted modulo stride; then every (stride / common)-th. From the highest down, so that
  // inputs ascend.
  int64_t period = axis->stride / axis->common;
  int64_t lowest = shifted / axis->common % period * axis->inverse % period;
  if (lowest >= axis->kernel) return phase;
  phase.taps = (axis->kernel - 1 - lowest) / period + 1;
  phase.first_tap = lowest + (phase.taps - 1) * period;
  phase.offset = (shifted - phase.first_tap * axis->dilation) / axis->stride;
  return phase;
}

// The sum of floor((a * i + b) / m) over i < n, modulo 2^64; n and m below 2^31, a and b below 2^62. What is left after whole
// multiples of m counts lattice points under a line, which are counted along the other axis instead, as in Euclid's algorithm.
static uint64_t floor_sum(uint64_t n, uint64_t m, uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  for (;;) {
    if (n == 0) return sum;
    sum += n * (n - 1) / 2 * (a / m) + n * (b / m);
    a %= m;
    b %= m;
    uint64_t last = a * n + b;
    if (last < m) return sum;
    n = last / m;
    b = last % m;
    uint64_t swapped = a;
    a = m;
    m = swapped;
  }
}

// Taps of all residues below `residue`: those t for which (t * dilation - pad) modulo stride is below it.
static int64_t taps_before(const apusk_conv_geometry *g, int32_t a, int64_t residue) {
  const apusk_conv_axis *axis = &g->axis[a];
  if (!g->transposed) return residue * axis->kernel;
  uint64_t n = (uint64_t)axis->kernel, stride = (uint64_t)axis->stride, dilation = (uint64_t)axis->dilation;
  // x modulo stride is below r where floor(x / stride) - floor((x - r) / stride) is 1. Multiples of stride keep both positive.
  int64_t below = axis->pad + residue;
  uint64_t start = (uint64_t)(apusk_divide_up(below, axis->stride) * axis->stride - below);
  return (int64_t)(floor_sum(n, stride, dilation, start + (uint64_t)residue) - floor_sum(n, stride, dilation, start));
}

apusk_conv_phases apusk_conv_phases_of(const apusk_conv_geometry *g) {
  apusk_conv_phases phases = {1, 1};
  for (int32_t a = 0; a < g->axes; a++) {
    int64_t residues = axis_phases(g, a);
    phases.count *= residues;
    phases.taps *= taps_before(g, a, residues);
  }
  return phases;
}

apusk_conv_phase apusk_conv_phase_of(const apusk_conv_geometry *g, int64_t index) {
  apusk_conv_phase phase = {.taps = 1, .outputs = 1};
  // Phases in row-major order of their residues; from the last axis on: the taps of all residues of the axes behind, and those
  // of the phases before this one among them.
  int64_t behind = 1;
  for (int32_t a = g->axes - 1; a >= 0; a--) {
    int64_t residues = axis_phases(g, a), residue = index % residues;
    index /= residues;
    apusk_phase_axis axis = phase_axis(g, a, residue);
    phase.axis[a] = axis;
    phase.before = taps_before(g, a, residue) * behind + axis.taps * phase.before;
    behind *= g->transposed ? taps_before(g, a, residues) : axis.taps;
    phase.taps *= axis.taps;
    phase.outputs *= axis.outputs;
  }
  return phase;
}

int64_t apusk_conv_pixel_of(const apusk_conv_geometry *g, const apusk_conv_phase *phase, int64_t pixel, int64_t *position) {
  for (int32_t a = g->axes - 1; a >= 0; a--) {
    position[a] = pixel % phase->axis[a].outputs;
    pixel /= phase->axis[a].outputs;
  }
  return pixel;
}

int64_t apusk_conv_output_of(const apusk_conv_geometry *g, const apusk_conv_phase *phase, int64_t image,
                             const int64_t *position) {
  int64_t pixel = image;
  for (int32_t a = 0; a < g->axes; a++) {
    const apusk_phase_axis *axis = &phase->axis[a];
    pixel = pixel * g->axis[a].output + axis->first_output + position[a] * axis->output_step;
  }
  return pixel;
}

// The index of the input row (all axes but the last) that the taps of `tap` on the outer axes read, or -1 outside.
static int64_t input_row(const apusk_conv_geometry *g, const apusk_conv_phase *phase, int64_t image, const int64_t *position,
                         const int64_t *tap) {
  int64_t row = image;
  for (int32_t a = 0; a < g->axes - 1; a++) {
    const apusk_phase_axis *axis = &phase->axis[a];
    int64_t i = position[a] * axis->input_step + axis->offset + tap[a] * axis->offset_step;
    if (i < 0 || i >= g->axis[a].input) return -1;
    row = row * g->axis[a].input + i;
  }
  return row;
}

static void copy_channels(const char *source, int64_t first, int64_t channels, int64_t repeat, int64_t element_bytes,
                          char *target) {
  if (repeat == 1) {
    memcpy(target, source + first * element_bytes, (size_t)(channels * element_bytes));
    return;
  }
  for (int64_t c = 0; c < channels; c++) {
    memcpy(target + c * element_bytes, source + (first + c) / repeat * element_bytes, (size_t)element_bytes);
  }
}

void apusk_conv_gather(const apusk_conv_geometry *g, const apusk_conv_phase *phase, const void *x, int64_t image,
                       const int64_t *position, int64_t first_channel, int64_t channels, int64_t repeat, int64_t k0,
                       int64_t depth, int64_t element_bytes, int fill, void *target_) {
  char *target = target_;
  if (depth <= 0) return;
  int32_t last = g->axes - 1;
  const apusk_phase_axis *axis = &phase->axis[last];
  int64_t extent = g->axis[last].input, pixel_bytes = g->cin * element_bytes;
  // Neighbouring taps of the last axis read neighbouring memory.
  bool dense = repeat == 1 && axis->offset_step == 1 && channels == g->cin;
  int64_t tap[APUSK_CONV_MAX_AXES] = {0};
  int64_t rest = k0 / channels, skip = k0 % channels, base = position[last] * axis->input_step + axis->offset;
  for (int32_t a = last; a >= 0; a--) {
    tap[a] = rest % phase->axis[a].taps;
    rest /= phase->axis[a].taps;
  }
  int64_t row = input_row(g, phase, image, position, tap);
  while (depth > 0) {
    int64_t j = tap[last], i = base + j * axis->offset_step, taps = axis->taps - j;
    bool inside = row >= 0 && i >= 0 && i < extent;
    if (!inside) {
      if (row >= 0 && i < 0) {
        int64_t until = apusk_divide_up(-i, axis->offset_step);
        if (until < taps) taps = until;
      }
    } else if (!dense) {
      taps = 1;
    } else if (extent - i < taps) {
      taps = extent - i;
    }
    int64_t count = taps * channels - skip;
    if (count > depth) count = depth;
    if (!inside) {
      memset(target, fill, (size_t)(count * element_bytes));
    } else {
      const char *source = (const char *)x + (row * extent + i) * pixel_bytes;
      copy_channels(source, first_channel + skip, count, repeat, element_bytes, target);
    }
    target += count * element_bytes;
    depth -= count;
    skip += count;
    tap[last] += skip / channels;
    skip %= channels;
    if (tap[last] == axis->taps && depth > 0) {
      tap[last] = 0;
      for (int32_t a = last - 1; a >= 0; a--) {
        if (++tap[a] < phase->axis[a].taps) break;
        tap[a] = 0;
      }
      row = input_row(g, phase, image, position, tap);
    }
  }
}
