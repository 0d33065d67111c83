// Packing of convolution weights. A unit is a panel of a group's output channels; of depthwise weights, a tap.
#include "conv_isa.h"

int64_t apusk_conv2d_pack_units(const apusk_conv_kernels *kernels, const apusk_conv2d_pack_f32_args *args) {
  if (apusk_conv_is_depthwise(args->cin, args->groups)) return args->kh * args->kw;
  return args->groups * apusk_gemm_panels(args->cout / args->groups, kernels->gemm->nr);
}

static void pack_tap(const apusk_conv2d_pack_f32_args *args, int64_t tap) {
  int64_t columns = apusk_conv_depthwise_columns(args->cout), taps = args->kh * args->kw;
  float *row = args->packed + tap * columns;
  for (int64_t c = 0; c < columns; c++) row[c] = c < args->cout ? args->weights[c * taps + tap] : 0.0f;
}

static void pack_panel(const apusk_conv2d_pack_f32_args *args, int32_t nr, int64_t unit) {
  int64_t group_cin = args->cin / args->groups, group_cout = args->cout / args->groups, n = args->winograd + 2;
  int64_t taps = args->winograd ? n * n : args->kh * args->kw;
  int64_t panels = apusk_gemm_panels(group_cout, nr), group = unit / panels, column = unit % panels * nr;
  int64_t k = taps * group_cin, first = group * group_cout + column;
  int32_t width = apusk_gemm_panel_width(group_cout, column / nr, nr);
  int64_t columns = group_cout - column < width ? group_cout - column : width;
  float *packed = args->packed + (group * apusk_conv_group_columns(group_cout, nr) + column) * k;
  if (args->winograd) {
    const float *weights = args->weights + first * group_cin * args->kh * args->kw;
    apusk_winograd_pack_panel(args->winograd, weights, group_cin, columns, width, packed);
    return;
  }
  for (int64_t tap = 0; tap < taps; tap++) {
    for (int64_t c = 0; c < group_cin; c++) {
      const float *source = args->weights + (first * group_cin + c) * taps + tap;
      for (int64_t j = 0; j < width; j++) *packed++ = j < columns ? source[j * k] : 0.0f;
    }
  }
}

int32_t apusk_conv2d_pack_f32_run(const apusk_conv_isa *isa, const apusk_conv2d_pack_f32_args *args, int64_t begin,
                                  int64_t end) {
  bool depthwise = apusk_conv_is_depthwise(args->cin, args->groups);
  for (int64_t unit = begin; unit < end; unit++) {
    if (depthwise) {
      pack_tap(args, unit);
    } else {
      pack_panel(args, isa->gemm->kernels.nr, unit);
    }
  }
  return 0;
}

void apusk_conv2d_f32_pack(const apusk_conv_kernels *kernels, const apusk_conv2d_f32_args *args, const float *weights,
                           float *packed) {
  const apusk_conv2d_pack_f32_args pack = {
      weights, packed, args->cin, args->cout, args->groups, args->kh, args->kw, args->winograd,
  };
  const apusk_conv_isa *isa = (const apusk_conv_isa *)kernels;  // its first member
  apusk_conv2d_pack_f32_run(isa, &pack, 0, apusk_conv2d_pack_units(kernels, &pack));
}
