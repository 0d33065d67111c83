#include "conv_shape.h"

#include "depthwise.h"

#include <string.h>

apusk_conv_shape apusk_conv_shape_of(const apusk_conv2d_f32_args *args, int32_t nr) {
  apusk_conv_shape s = {
      .group_cin = args->cin / args->groups,
      .group_cout = args->cout / args->groups,
      .window_rows = (args->kh - 1) * args->dilation_h + 1,
      .window_width = (args->ow - 1) * args->stride_w + (args->kw - 1) * args->dilation_w + 1,
  };
  s.k = apusk_conv_taps(args) * s.group_cin;
  s.panels = apusk_gemm_panels(s.group_cout, nr);
  s.group_floats = apusk_conv_group_columns(s.group_cout, nr) * s.k;
  s.padded = args->pad_top > 0 || args->pad_left > 0 ||
             (args->oh - 1) * args->stride_h + s.window_rows > args->ih || s.window_width > args->iw;
  s.pixel = args->x_pixel_stride;
  s.pitch = args->iw * s.pixel;
  if (args->winograd) {
    s.variant = APUSK_CONV_WINOGRAD;
    return s;
  }
  if (apusk_conv_is_depthwise(args->cin, args->groups)) {
    s.variant = APUSK_CONV_DEPTHWISE;
    s.staged = s.group_cout > 1;
    // Room for the last part, which may be larger than the others.
    if (s.staged) s.pixel = apusk_conv_depthwise_last(args->cout);
  } else {
    bool unit = args->stride_h == 1 && args->stride_w == 1;
    if (unit && !s.padded && args->kh == 1 && args->kw == 1 && args->oh == args->ih && args->ow == args->iw) {
      s.variant = APUSK_CONV_POINTWISE;
      return s;
    }
    bool one_chain = s.k <= APUSK_GEMM_CHAIN && args->kh <= APUSK_DEPTHWISE_MOST_ROWS;
    bool few = s.group_cin == s.group_cout && (s.group_cin == 2 || s.group_cin == 4);
    if (few && one_chain && args->cout >= 16 && args->kw == 3 && args->stride_w <= 2 && args->dilation_w == 1 &&
        args->ow >= 3) {
      s.variant = APUSK_CONV_GROUPED;
      return s;
    }
    // Micro-kernels of six rows make 4 + 3 of seven pixels: too few sums side by side to hide the latency of fma.
    bool narrow = args->ow < 5 || (nr == 16 && args->ow == 7);
    s.variant = narrow ? APUSK_CONV_WINDOWS : APUSK_CONV_ROWS;
    // Rows of the micro-kernel 4 KiB apart, or a multiple, fall into one set of the L1 cache; short runs cost loops.
    bool aliased = s.pixel * args->stride_w % 1024 == 0;
    s.staged = s.padded || aliased || (s.group_cin < 16 && s.pixel != s.group_cin);
    if (s.staged) s.pixel = s.group_cin * args->stride_w % 1024 == 0 ? s.group_cin + 16 : s.group_cin;
  }
  if (s.staged) {
    bool overflow = __builtin_mul_overflow(s.window_width, s.pixel, &s.pitch);
    int64_t floats;
    if (overflow || __builtin_mul_overflow(s.window_rows, s.pitch, &floats) || floats > APUSK_CONV_MOST_STAGED) {
      s.staged = false;
      s.pixel = args->x_pixel_stride;
      s.pitch = args->iw * s.pixel;
      if (s.variant == APUSK_CONV_ROWS) s.variant = APUSK_CONV_WINDOWS;
    }
  }
  s.lone = s.variant == APUSK_CONV_ROWS && args->cin == 1 && args->cout <= 8 && s.pixel == 1 && args->stride_w == 1 &&
           args->dilation_w == 1 && args->ow >= APUSK_CONV_LONE_PIXELS && s.k <= APUSK_GEMM_CHAIN;
  return s;
}

static void copy_pixel(const float *pixel, int64_t first_channel, int64_t channels, int64_t repeat, float *target) {
  if (repeat == 1) {
    memcpy(target, pixel + first_channel, sizeof(float) * (size_t)channels);
    return;
  }
  for (int64_t c = 0; c < channels; c++) target[c] = pixel[(first_channel + c) / repeat];
}

void apusk_conv_stage(const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape, int64_t image, int64_t oy,
                      int64_t rows, int64_t first_channel, int64_t channels, int64_t repeat, float *staged) {
  int64_t y0 = oy * args->stride_h - args->pad_top;
  int64_t count = (rows - 1) * args->stride_h + shape->window_rows;
  int64_t width = shape->window_width;
  // Pixels left ..< right of a staged row exist in the image.
  int64_t left = args->pad_left < width ? args->pad_left : width;
  int64_t right = args->iw + args->pad_left < width ? args->iw + args->pad_left : width;
  const float *x = args->x + image * args->ih * args->iw * args->x_pixel_stride;
  bool dense = repeat == 1 && channels == args->x_pixel_stride && channels == shape->pixel;
  for (int64_t r = 0; r < count; r++) {
    float *row = staged + r * shape->pitch;
    int64_t y = y0 + r;
    if (y < 0 || y >= args->ih || left >= right) {
      memset(row, 0, sizeof(float) * (size_t)shape->pitch);
      continue;
    }
    memset(row, 0, sizeof(float) * (size_t)(left * shape->pixel));
    const float *source = x + (y * args->iw + (left - args->pad_left)) * args->x_pixel_stride;
    if (dense) {
      memcpy(row + left * shape->pixel, source + first_channel, sizeof(float) * (size_t)((right - left) * channels));
    } else {
      for (int64_t i = left; i < right; i++) {
        copy_pixel(source, first_channel, channels, repeat, row + i * shape->pixel);
        source += args->x_pixel_stride;
      }
    }
    memset(row + right * shape->pixel, 0, sizeof(float) * (size_t)((width - right) * shape->pixel));
  }
}

void apusk_conv_window(const apusk_conv2d_f32_args *args, int64_t image, int64_t oy, int64_t ox, int64_t first_channel,
                       int64_t channels, int64_t repeat, int64_t k0, int64_t depth, float *target) {
  const float *x = args->x + image * args->ih * args->iw * args->x_pixel_stride;
  int64_t tap = k0 / channels, skip = k0 % channels;
  while (depth > 0) {
    int64_t count = channels - skip < depth ? channels - skip : depth;
    int64_t y = oy * args->stride_h - args->pad_top + tap / args->kw * args->dilation_h;
    int64_t c = ox * args->stride_w - args->pad_left + tap % args->kw * args->dilation_w;
    if (y < 0 || y >= args->ih || c < 0 || c >= args->iw) {
      memset(target, 0, sizeof(float) * (size_t)count);
    } else {
      copy_pixel(x + (y * args->iw + c) * args->x_pixel_stride, first_channel + skip, count, repeat, target);
    }
    target += count;
    depth -= count;
    skip = 0;
    tap++;
  }
}
