// Convolutions of 8-bit integers: windows are widened to 16 bits, less their zero point, and multiplied with panels of weights.
#include "apusk_conv_integer.h"

#include <string.h>

#include "apusk_element_type.h"
#include "conv_integer_tile.h"
#include "conv_nd.h"

#pragma clang fp contract(off)

// Pixels whose windows a worker holds at a time.
#define BLOCK 24
// Channels of a depthwise convolution that are done at a time.
#define DEPTHWISE_CHANNELS 64
#define PANEL APUSK_INTEGER_PANEL

static int64_t even(int64_t k) { return k + k % 2; }

static bool is_depthwise(const apusk_conv_geometry *g) {
  return g->groups > 1 && g->cin == g->groups && g->cout == g->groups;
}

static int32_t element(const void *data, int32_t type, int64_t index) {
  if (!data) return 0;
  return type == APUSK_INT8 ? ((const int8_t *)data)[index] : ((const uint8_t *)data)[index];
}

static void widen(const void *source, int32_t type, int32_t zero, int64_t count, int16_t *target) {
  if (type == APUSK_INT8) {
    for (int64_t i = 0; i < count; i++) target[i] = (int16_t)(((const int8_t *)source)[i] - zero);
  } else {
    for (int64_t i = 0; i < count; i++) target[i] = (int16_t)(((const uint8_t *)source)[i] - zero);
  }
}

// What becomes of the sums of up to PANEL channels: their zero points, biases and scales.
typedef struct requantization {
  int32_t w_zero[PANEL];
  int32_t bias[PANEL];
  float scale[PANEL];
  float zero, low, high;
  bool has_w_zero;
} requantization;

static requantization requantization_of(const apusk_conv_integer_args *args, int64_t channel, int64_t count) {
  requantization q = {.zero = (float)element(args->y_zero, args->y_type, 0), .low = 0.0f, .high = 255.0f};
  if (args->y_type == APUSK_INT8) {
    q.low = -128.0f;
    q.high = 127.0f;
  }
  for (int64_t j = 0; j < count; j++) {
    q.w_zero[j] = element(args->w_zero, args->w_type, args->w_zeros > 1 ? channel + j : 0);
    q.has_w_zero = q.has_w_zero || q.w_zero[j] != 0;
    if (!args->x_scale) continue;
    if (args->bias) q.bias[j] = args->bias[channel + j];
    q.scale[j] = *args->x_scale * args->w_scale[args->w_scales > 1 ? channel + j : 0] / *args->y_scale;
  }
  return q;
}

// PANEL sums, of which `count` exist, of one pixel to the outputs from `channel` on. `total` is the sum of its window.
static void finish(const apusk_conv_integer_args *args, const requantization *q, const int32_t *sums, uint32_t total,
                   int64_t pixel, int64_t channel, int64_t count) {
  int64_t at = pixel * args->geometry.cout + channel;
  uint32_t exact[PANEL];
  memcpy(exact, sums, sizeof exact);
  if (q->has_w_zero) {
    for (int j = 0; j < PANEL; j++) exact[j] -= (uint32_t)q->w_zero[j] * total;
  }
  if (!args->x_scale) {
    memcpy((int32_t *)args->y + at, exact, (size_t)count * sizeof(int32_t));
    return;
  }
  uint8_t bytes[PANEL];
  for (int j = 0; j < PANEL; j++) {
    float value = (float)(int32_t)(exact[j] + (uint32_t)q->bias[j]) * q->scale[j];
    // Beyond +-1000 no zero point brings it back into the range. Comparisons with NaN are false: it becomes the lowest value.
    value = value > -1000.0f ? value : -1000.0f;
    value = value < 1000.0f ? value : 1000.0f;
    // Adding and subtracting 1.5 * 2^23 rounds to integers, ties to even.
    value = ((value + 12582912.0f) - 12582912.0f) + q->zero;
    value = value > q->low ? value : q->low;
    value = value < q->high ? value : q->high;
    bytes[j] = (uint8_t)(int32_t)value;
  }
  memcpy((uint8_t *)args->y + at, bytes, (size_t)count);
}

static void run_block(const apusk_conv_integer_args *args, const apusk_integer_tile *tile, const apusk_conv_phase *phase,
                      int64_t first, int64_t rows, int64_t group, void *scratch) {
  const apusk_conv_geometry *g = &args->geometry;
  int64_t group_cin = g->cin / g->groups, group_cout = g->cout / g->groups, k = phase->taps * group_cin, depth = even(k);
  int16_t *windows = scratch;
  uint8_t *bytes = (uint8_t *)(windows + BLOCK * depth);
  int32_t zero = element(args->x_zero, args->x_type, 0);
  uint32_t totals[BLOCK] = {0};
  for (int64_t i = 0; i < rows; i++) {
    int64_t position[APUSK_CONV_MAX_AXES];
    int64_t image = apusk_conv_pixel_of(g, phase, first + i, position);
    apusk_conv_gather(g, phase, args->x, image, position, group * group_cin, group_cin, 1, 0, k, 1, zero, bytes);
    widen(bytes, args->x_type, zero, k, windows + i * depth);
    if (depth > k) windows[i * depth + k] = 0;
    for (int64_t p = 0; p < k && args->w_zero; p++) totals[i] += (uint32_t)windows[i * depth + p];
  }
  int64_t panels = apusk_divide_up(group_cout, PANEL);
  const int16_t *weights = args->w + group * panels * PANEL * depth;
  for (int64_t panel = 0; panel < panels; panel++, weights += PANEL * depth) {
    int64_t channel = group * group_cout + panel * PANEL;
    int64_t count = group_cout - panel * PANEL < PANEL ? group_cout - panel * PANEL : PANEL;
    const requantization q = requantization_of(args, channel, count);
    for (int64_t row = 0; row < rows; row += tile->most_rows) {
      int32_t sums[12 * PANEL];
      int part = rows - row < tile->most_rows ? (int)(rows - row) : tile->most_rows;
      tile->run(windows + row * depth, depth, weights, depth / 2, part, sums);
      for (int i = 0; i < part; i++) finish(args, &q, sums + i * PANEL, totals[row + i], first + row + i, channel, count);
    }
  }
}

static void run_depthwise(const apusk_conv_integer_args *args, const apusk_conv_phase *phase, int64_t first, int64_t rows,
                          int16_t *scratch) {
  const apusk_conv_geometry *g = &args->geometry;
  int32_t zero = element(args->x_zero, args->x_type, 0);
  int16_t *weights = scratch, *window = weights + phase->taps * DEPTHWISE_CHANNELS;
  uint8_t *bytes = (uint8_t *)(window + phase->taps * DEPTHWISE_CHANNELS);
  for (int64_t channel = 0; channel < g->cout; channel += DEPTHWISE_CHANNELS) {
    int64_t count = g->cout - channel < DEPTHWISE_CHANNELS ? g->cout - channel : DEPTHWISE_CHANNELS;
    requantization q[DEPTHWISE_CHANNELS / PANEL];
    for (int64_t c = 0; c < count; c += PANEL) {
      q[c / PANEL] = requantization_of(args, channel + c, count - c < PANEL ? count - c : PANEL);
      q[c / PANEL].has_w_zero = false;  // the weights here are less their zero points
    }
    for (int64_t tap = 0; tap < phase->taps; tap++) {
      const int16_t *w = args->w + tap * g->cout + channel;
      for (int64_t c = 0; c < count; c++) {
        weights[tap * count + c] = (int16_t)(w[c] - q[c / PANEL].w_zero[c % PANEL]);
      }
    }
    for (int64_t i = 0; i < rows; i++) {
      int64_t position[APUSK_CONV_MAX_AXES];
      int64_t image = apusk_conv_pixel_of(g, phase, first + i, position);
      apusk_conv_gather(g, phase, args->x, image, position, channel, count, 1, 0, phase->taps * count, 1, zero, bytes);
      widen(bytes, args->x_type, zero, phase->taps * count, window);
      uint32_t sums[DEPTHWISE_CHANNELS] = {0};
      for (int64_t tap = 0; tap < phase->taps; tap++) {
        const int16_t *x = window + tap * count, *w = weights + tap * count;
        for (int64_t c = 0; c < count; c++) sums[c] += (uint32_t)((int32_t)x[c] * (int32_t)w[c]);
      }
      for (int64_t c = 0; c < count; c += PANEL) {
        finish(args, &q[c / PANEL], (const int32_t *)sums + c, 0, first + i, channel + c, count - c < PANEL ? count - c : PANEL);
      }
    }
  }
}

// Units: group, block of pixels. Depthwise ones: block of pixels.
static int32_t run(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_conv_integer_args *args = args_;
  const apusk_conv_geometry *g = &args->geometry;
  const apusk_integer_tile *tile = apusk_integer_tile_for(args->level);
  apusk_conv_phase phase = apusk_conv_phase_of(g, 0);
  int64_t pixels = g->batch * phase.outputs, blocks = apusk_divide_up(pixels, BLOCK);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t group = unit / blocks, first = unit % blocks * BLOCK;
    int64_t rows = pixels - first < BLOCK ? pixels - first : BLOCK;
    if (is_depthwise(g)) {
      run_depthwise(args, &phase, first, rows, worker->scratch);
    } else {
      run_block(args, tile, &phase, first, rows, group, worker->scratch);
    }
  }
  return 0;
}

static int64_t packed_depth(const apusk_conv_geometry *g) { return even(apusk_conv_kernel_taps(g) * (g->cin / g->groups)); }

int64_t apusk_conv_integer_packed_bytes(const apusk_conv_geometry *geometry) {
  apusk_conv_geometry g = *geometry;
  if (apusk_conv_geometry_check(&g) != 0 || g.transposed) return -1;
  int64_t elements = apusk_conv_kernel_taps(&g) * g.cout;
  if (!is_depthwise(&g)) {
    int64_t columns = apusk_divide_up(g.cout / g.groups, PANEL) * PANEL * g.groups;
    if (__builtin_mul_overflow(packed_depth(&g), columns, &elements)) return -1;
  }
  if (elements > INT64_MAX / 2 - 64) return -1;
  return (elements * (int64_t)sizeof(int16_t) + 63) & ~(int64_t)63;
}

static void pack_panel(const apusk_conv_integer_pack_args *args, int64_t group, int64_t panel, int16_t *packed) {
  const apusk_conv_geometry *g = &args->geometry;
  int64_t taps = apusk_conv_kernel_taps(g), group_cin = g->cin / g->groups, group_cout = g->cout / g->groups;
  int64_t k = taps * group_cin, depth = even(k);
  for (int64_t p = 0; p < depth; p++) {
    for (int64_t j = 0; j < PANEL; j++) {
      int64_t channel = panel * PANEL + j, weight = 0;
      bool exists = p < k && channel < group_cout;
      if (exists) weight = ((group * group_cout + channel) * group_cin + p % group_cin) * taps + p / group_cin;
      packed[(p / 2 * PANEL + j) * 2 + p % 2] = exists ? (int16_t)element(args->weights, args->w_type, weight) : 0;
    }
  }
}

static int64_t pack_units(const apusk_conv_geometry *g) {
  return is_depthwise(g) ? apusk_conv_kernel_taps(g) : g->groups * apusk_divide_up(g->cout / g->groups, PANEL);
}

// Units: panels of all groups; taps of depthwise weights.
static int32_t pack_run(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  const apusk_conv_integer_pack_args *args = args_;
  const apusk_conv_geometry *g = &args->geometry;
  int64_t taps = apusk_conv_kernel_taps(g), panels = apusk_divide_up(g->cout / g->groups, PANEL);
  for (int64_t unit = begin; unit < end; unit++) {
    if (!is_depthwise(g)) {
      pack_panel(args, unit / panels, unit % panels, args->packed + unit * PANEL * packed_depth(g));
      continue;
    }
    for (int64_t c = 0; c < g->cout; c++) {
      args->packed[unit * g->cout + c] = (int16_t)element(args->weights, args->w_type, c * taps + unit);
    }
  }
  return 0;
}

void apusk_conv_integer_pack(const apusk_conv_integer_pack_args *args) { pack_run(args, 0, pack_units(&args->geometry), NULL); }

static bool is_byte(int32_t type) { return type == APUSK_INT8 || type == APUSK_UINT8; }

int32_t apusk_conv_integer_pack_plan(apusk_conv_integer_pack_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = pack_run, .grain = 1};
  if (!is_byte(args->w_type)) return 100;
  int32_t status = apusk_conv_geometry_check(&args->geometry);
  if (status != 0) return status;
  if (apusk_conv_integer_packed_bytes(&args->geometry) < 0) return 301;
  plan->units = pack_units(&args->geometry);
  return 0;
}

int32_t apusk_conv_integer_plan(int32_t level, apusk_conv_integer_args *args, apusk_plan *plan) {
  apusk_conv_geometry *g = &args->geometry;
  *plan = (apusk_plan){.kernel = run, .grain = 1};
  args->level = level;
  bool quantized = args->y_type != APUSK_INT32;
  if (!is_byte(args->x_type) || !is_byte(args->w_type) || (quantized && !is_byte(args->y_type)) || g->transposed) return 100;
  int32_t status = apusk_conv_geometry_check(g);
  if (status != 0) return status;
  if ((args->w_zeros != 1 && args->w_zeros != g->cout) || (args->w_scales != 1 && args->w_scales != g->cout)) return 100;
  if (apusk_conv_integer_packed_bytes(g) < 0) return 301;
  int64_t pixels = g->batch;
  for (int32_t a = 0; a < g->axes; a++) pixels *= g->axis[a].output;
  int64_t taps = apusk_conv_kernel_taps(g), depth = packed_depth(g);
  // About 20 products a nanosecond, of depthwise convolutions 2; 10 us are worth a thread.
  if (is_depthwise(g)) {
    plan->units = apusk_divide_up(pixels, BLOCK);
    plan->scratch_bytes = taps * DEPTHWISE_CHANNELS * 5;
    plan->grain = 1 + 20000 / (1 + taps * g->cout * BLOCK);
    return 0;
  }
  plan->scratch_bytes = depth * (BLOCK * (int64_t)sizeof(int16_t) + 1);
  plan->grain = 1 + 200000 / (1 + depth * (g->cout / g->groups) * BLOCK);
  return __builtin_mul_overflow(apusk_divide_up(pixels, BLOCK), g->groups, &plan->units) ? 301 : 0;
}
