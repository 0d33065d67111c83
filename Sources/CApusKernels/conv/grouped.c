// Grouped convolution with few channels in a group: vectors of channels hold several groups. A unit is a band of output
// rows of one image and one part of the channels; units of one part follow one another and share its weights, which are
// gathered from their panels.
#include "conv_isa.h"

// Channels of a part; the last one takes the rest too.
#define PART_CHANNELS 64

static int64_t parts_of(const apusk_conv2d_f32_args *args) {
  return args->cout < PART_CHANNELS ? 1 : args->cout / PART_CHANNELS;
}

int32_t apusk_conv2d_grouped_f32_cut(const apusk_conv_isa *isa, apusk_conv2d_f32_args *args, apusk_plan *plan) {
  int64_t group = args->cin / args->groups, parts = parts_of(args), most = args->cout - (parts - 1) * PART_CHANNELS;
  double row = (double)args->ow * (double)(args->kh * args->kw * group) * (double)most;
  int64_t speed = isa->gemm->multiplies_per_us / 2, rows = 1;
  while (rows < args->oh && row * (double)rows < 20.0 * (double)speed) rows++;
  rows = apusk_divide_up(args->oh, apusk_divide_up(args->oh, rows));
  args->rows_per_unit = rows;
  args->panels_per_unit = PART_CHANNELS;
  plan->scratch_bytes = args->kh * args->kw * group * most * (int64_t)sizeof(float);
  plan->grain = apusk_gemm_grain(row * (double)rows, speed);
  return __builtin_mul_overflow(apusk_divide_up(args->oh, rows) * parts, args->batch, &plan->units) ? 301 : 0;
}

// Weights [k][channels] of channels first ..< first + channels, from the panels of their groups.
static void gather_weights(const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape, int64_t first,
                           int64_t channels, float *weights) {
  int64_t columns = shape->group_floats / shape->k;
  for (int64_t c = 0; c < channels; c++) {
    const float *source = args->w + (first + c) / shape->group_cout * shape->group_floats + (first + c) % shape->group_cout;
    for (int64_t k = 0; k < shape->k; k++) weights[k * channels + c] = source[k * columns];
  }
}

int32_t apusk_conv2d_grouped_f32_run(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, int64_t begin,
                                     int64_t end, apusp_worker *worker) {
  const apusk_conv_shape shape = apusk_conv_shape_of(args, isa->gemm->kernels.nr);
  const apusk_tail *tail = &args->tail;
  apusk_depthwise d = {
      .x = args->x, .x_pixel = shape.pixel, .x_row = args->dilation_h * shape.pitch, .w = worker->scratch,
      .y_pixel = args->y_pixel_stride, .kh = args->kh, .kw = args->kw, .stride = args->stride_w, .dilation = 1,
      .first_column = args->pad_left, .end_column = args->pad_left + args->iw, .pixels = args->ow,
      .group = shape.group_cin,
  };
  const bool fused = apusk_depthwise_fuse_tail(tail, &d);
  int64_t bands = apusk_divide_up(args->oh, args->rows_per_unit), parts = parts_of(args), current = -1;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t part = unit / bands / args->batch, image = unit / bands % args->batch, first = part * PART_CHANNELS;
    int64_t oy = unit % bands * args->rows_per_unit;
    int64_t end_row = oy + args->rows_per_unit < args->oh ? oy + args->rows_per_unit : args->oh;
    d.channels = d.w_tap = part == parts - 1 ? args->cout - first : PART_CHANNELS;
    d.bias = tail->bias && fused ? tail->bias + first : NULL;
    if (part != current) gather_weights(args, &shape, first, d.channels, worker->scratch);
    current = part;
    for (; oy < end_row; oy++) {
      apusk_depthwise_place_row(args, &shape, image, oy, first, &d);
      apusk_depthwise_run_sevens(isa->depthwise_seven[APUSK_DEPTHWISE_GROUPED + args->stride_w - 1], &d);
      apusk_depthwise_finish_row(isa, args, fused, image, oy, first, &d);
    }
  }
  return 0;
}
