// Convolutions of 8-bit integers: windows are widened to 16 bits, less their zero point, and multiplied with the rows of weights.
#include "conv_integer_dot.h"
#include "conv_nd.h"
#include "apusk_conv_integer.h"
#include "apusk_element_type.h"

#include <string.h>

#pragma clang fp contract(off)

// Pixels whose windows a worker holds at a time.
#define BLOCK 16

static int64_t padded_depth(int64_t k) { return (k + APUSK_CONV_INTEGER_RUN - 1) / APUSK_CONV_INTEGER_RUN * APUSK_CONV_INTEGER_RUN; }

static bool is_depthwise(const apusk_conv_geometry *g) { return g->groups > 1 && g->cin == g->groups && g->cout == g->groups; }

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

static int32_t w_zero_of(const apusk_conv_integer_args *args, int64_t channel) {
  return element(args->w_zero, args->w_type, args->w_zeros > 1 ? channel : 0);
}

// Sums of `count` channels from `channel` on to outputs of one pixel.
static void finish(const apusk_conv_integer_args *args, const int32_t *sums, int64_t pixel, int64_t channel, int64_t count) {
  int64_t at = pixel * args->geometry.cout + channel;
  if (!args->x_scale) {
    memcpy((int32_t *)args->y + at, sums, (size_t)count * sizeof(int32_t));
    return;
  }
  int32_t zero = element(args->y_zero, args->y_type, 0);
  float low = args->y_type == APUSK_INT8 ? -128.0f : 0.0f, high = args->y_type == APUSK_INT8 ? 127.0f : 255.0f;
  float x_scale = *args->x_scale, y_scale = *args->y_scale;
  for (int64_t i = 0; i < count; i++) {
    uint32_t sum = (uint32_t)sums[i];
    if (args->bias) sum += (uint32_t)args->bias[channel + i];
    float scale = x_scale * args->w_scale[args->w_scales > 1 ? channel + i : 0] / y_scale;
    float value = (float)(int32_t)sum * scale;
    // Beyond +-1000 no zero point brings it back into the range. Comparisons with NaN are false: it becomes the lowest value.
    value = value > -1000.0f ? value : -1000.0f;
    value = value < 1000.0f ? value : 1000.0f;
    // Adding and subtracting 1.5 * 2^23 rounds to integers, ties to even.
    value = ((value + 12582912.0f) - 12582912.0f) + (float)zero;
    value = value > low ? value : low;
    value = value < high ? value : high;
    ((uint8_t *)args->y)[at + i] = (uint8_t)(int32_t)value;
  }
}

static void run_block(const apusk_conv_integer_args *args, apusk_integer_dot dot, const apusk_conv_phase *phase, int64_t first,
                      int64_t rows, int64_t group, void *scratch) {
  const apusk_conv_geometry *g = &args->geometry;
  int64_t group_cin = g->cin / g->groups, group_cout = g->cout / g->groups, k = phase->taps * group_cin, depth = padded_depth(k);
  int16_t *windows = scratch;
  uint8_t *bytes = (uint8_t *)(windows + BLOCK * depth);
  int32_t zero = element(args->x_zero, args->x_type, 0), totals[BLOCK];
  for (int64_t i = 0; i < BLOCK; i++) {
    int16_t *window = windows + i * depth;
    if (i >= rows) {  // the last of a pair
      if (i == rows && rows % 2 == 1) memset(window, 0, (size_t)depth * sizeof(int16_t));
      continue;
    }
    int64_t position[APUSK_CONV_MAX_AXES];
    int64_t image = apusk_conv_pixel_of(g, phase, first + i, position);
    apusk_conv_gather(g, phase, args->x, image, position, group * group_cin, group_cin, 1, 0, k, 1, zero, bytes);
    widen(bytes, args->x_type, zero, k, window);
    memset(window + k, 0, (size_t)(depth - k) * sizeof(int16_t));
    uint32_t total = 0;
    for (int64_t p = 0; p < k && args->w_zero; p++) total += (uint32_t)window[p];
    totals[i] = (int32_t)total;
  }
  const int16_t *weights = args->w + group * group_cout * depth;
  for (int64_t co = 0; co < group_cout; co += 4) {
    // Rows of weights that are missing at the end are those of the group before: their sums are not used.
    int64_t count = group_cout - co < 4 ? group_cout - co : 4;
    for (int64_t i = 0; i < rows; i += 2) {
      int32_t sums[8];
      dot(windows + i * depth, weights + co * depth, depth, sums);
      for (int64_t r = 0; r < 2 && i + r < rows; r++) {
        int64_t channel = group * group_cout + co;
        for (int64_t j = 0; j < count && args->w_zero; j++) {
          sums[r * 4 + j] = (int32_t)((uint32_t)sums[r * 4 + j] -
                                      (uint32_t)w_zero_of(args, channel + j) * (uint32_t)totals[i + r]);
        }
        finish(args, sums + r * 4, first + i + r, channel, count);
      }
    }
  }
}

#define DEPTHWISE_CHANNELS 64

static void run_depthwise(const apusk_conv_integer_args *args, const apusk_conv_phase *phase, int64_t pixel, void *scratch) {
  const apusk_conv_geometry *g = &args->geometry;
  int32_t zero = element(args->x_zero, args->x_type, 0);
  int64_t position[APUSK_CONV_MAX_AXES];
  int64_t image = apusk_conv_pixel_of(g, phase, pixel, position);
  uint8_t *bytes = scratch;
  for (int64_t channel = 0; channel < g->cout; channel += DEPTHWISE_CHANNELS) {
    int64_t count = g->cout - channel < DEPTHWISE_CHANNELS ? g->cout - channel : DEPTHWISE_CHANNELS;
    int32_t sums[DEPTHWISE_CHANNELS] = {0};
    int16_t x[DEPTHWISE_CHANNELS], w_zero[DEPTHWISE_CHANNELS];
    for (int64_t c = 0; c < count; c++) w_zero[c] = (int16_t)w_zero_of(args, channel + c);
    apusk_conv_gather(g, phase, args->x, image, position, channel, count, 1, 0, phase->taps * count, 1, zero, bytes);
    for (int64_t tap = 0; tap < phase->taps; tap++) {
      widen(bytes + tap * count, args->x_type, zero, count, x);
      const int16_t *w = args->w + tap * g->cout + channel;
      // |x| and |w - zero| are at most 255: 2^15 taps and more may wrap, as stated.
      for (int64_t c = 0; c < count; c++) {
        sums[c] = (int32_t)((uint32_t)sums[c] + (uint32_t)((int32_t)x[c] * (w[c] - w_zero[c])));
      }
    }
    finish(args, sums, pixel, channel, count);
  }
}

// Units: group, block of pixels. Depthwise ones: block of pixels.
static int32_t run(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_conv_integer_args *args = args_;
  const apusk_conv_geometry *g = &args->geometry;
  apusk_integer_dot dot = apusk_integer_dot_portable;
#if defined(__x86_64__)
  if (args->level >= APUSK_LEVEL_AVX2) dot = apusk_integer_dot_avx2;
#endif
  apusk_conv_phase phase = apusk_conv_phase_of(g, 0);
  int64_t pixels = g->batch * phase.outputs, blocks = apusk_divide_up(pixels, args->rows_per_unit);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t group = unit / blocks, row = unit % blocks * args->rows_per_unit;
    int64_t last = pixels - row < args->rows_per_unit ? pixels : row + args->rows_per_unit;
    for (int64_t first = row; first < last; first += BLOCK) {
      int64_t rows = last - first < BLOCK ? last - first : BLOCK;
      if (is_depthwise(g)) {
        for (int64_t i = 0; i < rows; i++) run_depthwise(args, &phase, first + i, worker->scratch);
      } else {
        run_block(args, dot, &phase, first, rows, group, worker->scratch);
      }
    }
  }
  return 0;
}

int64_t apusk_conv_integer_packed_bytes(const apusk_conv_geometry *geometry) {
  apusk_conv_geometry g = *geometry;
  if (apusk_conv_geometry_check(&g) != 0 || g.transposed) return -1;
  int64_t taps = apusk_conv_kernel_taps(&g), elements;
  if (is_depthwise(&g)) {
    elements = taps * g.cout;
  } else if (__builtin_mul_overflow(padded_depth(taps * (g.cin / g.groups)), g.cout + 3, &elements)) {
    return -1;
  }
  if (elements > INT64_MAX / 2 - 64) return -1;
  return (elements * (int64_t)sizeof(int16_t) + 63) & ~(int64_t)63;
}

static int32_t pack_run(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  const apusk_conv_integer_pack_args *args = args_;
  const apusk_conv_geometry *g = &args->geometry;
  int64_t taps = apusk_conv_kernel_taps(g), group_cin = g->cin / g->groups, k = taps * group_cin, depth = padded_depth(k);
  for (int64_t co = begin; co < end; co++) {
    if (is_depthwise(g)) {
      for (int64_t t = 0; t < taps; t++) args->packed[t * g->cout + co] = (int16_t)element(args->weights, args->w_type, co * taps + t);
      continue;
    }
    int16_t *row = args->packed + co * depth;
    for (int64_t t = 0; t < taps; t++) {
      for (int64_t c = 0; c < group_cin; c++) {
        *row++ = (int16_t)element(args->weights, args->w_type, (co * group_cin + c) * taps + t);
      }
    }
    // The last channel also fills the three rows behind, which the products read.
    int64_t zeros = depth - k + (co == g->cout - 1 ? 3 * depth : 0);
    memset(row, 0, (size_t)zeros * sizeof(int16_t));
  }
  return 0;
}

void apusk_conv_integer_pack(const apusk_conv_integer_pack_args *args) { pack_run(args, 0, args->geometry.cout, NULL); }

static bool is_byte(int32_t type) { return type == APUSK_INT8 || type == APUSK_UINT8; }

int32_t apusk_conv_integer_pack_plan(apusk_conv_integer_pack_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = pack_run, .grain = 1};
  if (!is_byte(args->w_type)) return 100;
  int32_t status = apusk_conv_geometry_check(&args->geometry);
  if (status != 0) return status;
  if (apusk_conv_integer_packed_bytes(&args->geometry) < 0) return 301;
  plan->units = args->geometry.cout;
  return 0;
}

int32_t apusk_conv_integer_plan(int32_t level, apusk_conv_integer_args *args, apusk_plan *plan) {
  apusk_conv_geometry *g = &args->geometry;
  *plan = (apusk_plan){.kernel = run, .grain = 1};
  args->level = level;
  args->rows_per_unit = BLOCK;
  bool quantized = args->y_type != APUSK_INT32;
  if (!is_byte(args->x_type) || !is_byte(args->w_type) || (quantized && !is_byte(args->y_type)) || g->transposed) return 100;
  int32_t status = apusk_conv_geometry_check(g);
  if (status != 0) return status;
  if ((args->w_zeros != 1 && args->w_zeros != g->cout) || (args->w_scales != 1 && args->w_scales != g->cout)) return 100;
  if (apusk_conv_integer_packed_bytes(g) < 0) return 301;
  int64_t pixels = g->batch;
  for (int32_t a = 0; a < g->axes; a++) pixels *= g->axis[a].output;
  int64_t taps = apusk_conv_kernel_taps(g), depth = padded_depth(taps * (g->cin / g->groups));
  if (is_depthwise(g)) {
    plan->units = apusk_divide_up(pixels, BLOCK);
    plan->scratch_bytes = taps * DEPTHWISE_CHANNELS;
    plan->grain = 1 + 1000000 / (1 + taps * g->cout * BLOCK);
    return 0;
  }
  plan->scratch_bytes = depth * (BLOCK * (int64_t)sizeof(int16_t) + 1);
  plan->grain = 1 + 100000 / (1 + depth * (g->cout / g->groups));
  return __builtin_mul_overflow(apusk_divide_up(pixels, BLOCK), g->groups, &plan->units) ? 301 : 0;
}
