#include "conv_shape.h"

#include <string.h>

// A copied row of output takes at most so many bytes; beyond (huge dilations) windows are copied one by one.
#define MOST_STAGED (1 << 20)

apusk_integer_conv_shape apusk_integer_conv_shape_of(const apusk_conv_geometry *g) {
  const apusk_conv_axis single = {.input = 1, .output = 1, .kernel = 1, .stride = 1, .dilation = 1};
  const apusk_conv_axis last = g->axis[g->axes - 1];
  apusk_integer_conv_shape s = {
      .variant = APUSK_INTEGER_BY_WINDOWS, .h = g->axes == 2 ? g->axis[0] : single, .w = last,
      .group_cin = g->cin / g->groups, .group_cout = g->cout / g->groups, .pixels = g->batch,
  };
  const int64_t taps = apusk_conv_kernel_taps(g);
  s.k = taps * s.group_cin;
  s.outer = taps / last.kernel;
  s.run = last.kernel * s.group_cin;
  s.panels = apusk_divide_up(s.group_cout, APUSK_INTEGER_PANEL);
  s.group_bytes = s.panels * apusk_integer_panel_bytes(s.outer * apusk_integer_quads(s.run));
  bool unit = true;
  for (int32_t a = 0; a < g->axes; a++) {
    const apusk_conv_axis *axis = &g->axis[a];
    s.pixels *= axis->output;
    unit = unit && axis->kernel == 1 && axis->stride == 1 && axis->pad == 0 && axis->input == axis->output;
  }
  // Pixels 4 KiB apart fall into one set of the L1 cache.
  const bool aliased = g->cin * s.w.stride % 4096 == 0;
  if (unit && s.group_cin % 4 == 0) {
    if (!aliased) s.variant = APUSK_INTEGER_BY_POINTS;
    return s;
  }
  if (g->axes > 2) return s;
  const bool depthwise = apusk_integer_is_depthwise(g);
  s.window_rows = (s.h.kernel - 1) * s.h.dilation + 1;
  s.window_width = (s.w.output - 1) * s.w.stride + (s.w.kernel - 1) * s.w.dilation + 1;
  const bool padded = s.h.pad > 0 || s.w.pad > 0 || (s.h.output - 1) * s.h.stride + s.window_rows > s.h.input ||
                      s.window_width > s.w.input;
  // Without a gap between the columns of a window, a row of it is one run of any length.
  const bool joined = s.w.dilation == 1 || s.w.kernel == 1;
  if (!depthwise && ((!joined && s.group_cin % 4 != 0) || (s.w.output < 4 && g->batch * s.h.output > 1))) return s;
  s.staged = depthwise || padded || aliased || (g->groups == 1 && joined ? s.run : s.group_cin) % 4 != 0;
  s.pixel = !s.staged ? g->cin : depthwise ? g->cin : s.group_cin;
  if (s.staged && !depthwise && s.pixel * s.w.stride % 4096 == 0) s.pixel += joined && s.w.kernel > 1 ? 0 : 64;
  if (s.staged) {
    int64_t bytes;
    if (__builtin_mul_overflow(s.window_width, s.pixel, &s.pitch) || __builtin_mul_overflow(s.window_rows, s.pitch, &bytes) ||
        bytes > (depthwise ? INT32_MAX : MOST_STAGED)) {
      return s;
    }
  } else {
    s.pitch = s.w.input * s.pixel;
  }
  s.variant = depthwise ? APUSK_INTEGER_BY_CHANNELS : APUSK_INTEGER_BY_ROWS;
  return s;
}

void apusk_integer_stage(const apusk_integer_conv_args *args, const apusk_integer_conv_shape *shape, int64_t image, int64_t oy,
                         int64_t rows, int64_t first_channel, uint8_t *staged) {
  const apusk_conv_geometry *g = &args->geometry;
  const apusk_conv_axis *h = &shape->h, *w = &shape->w;
  const int fill = apusk_integer_byte(args->tail.a_zero, 0, args->x_type == APUSK_INT8);
  const int64_t top = oy * h->stride - h->pad, count = (rows - 1) * h->stride + shape->window_rows, width = shape->window_width;
  const int64_t channels = shape->variant == APUSK_INTEGER_BY_CHANNELS ? shape->pixel : shape->group_cin, pixel = shape->pixel;
  // Pixels left ..< right of a copied row exist in the image.
  const int64_t left = w->pad < width ? w->pad : width, right = w->input + w->pad < width ? w->input + w->pad : width;
  const uint8_t *x = (const uint8_t *)args->x + image * h->input * w->input * g->cin + first_channel;
  for (int64_t r = 0; r < count; r++, staged += shape->pitch) {
    const int64_t y = top + r;
    if (y < 0 || y >= h->input || left >= right) {
      memset(staged, fill, (size_t)shape->pitch);
      continue;
    }
    memset(staged, fill, (size_t)(left * pixel));
    const uint8_t *source = x + (y * w->input + left - w->pad) * g->cin;
    if (channels == g->cin && channels == pixel) {
      memcpy(staged + left * pixel, source, (size_t)((right - left) * channels));
    } else {
      for (int64_t i = left; i < right; i++, source += g->cin) memcpy(staged + i * pixel, source, (size_t)channels);
    }
    memset(staged + right * pixel, fill, (size_t)((width - right) * pixel));
  }
}
