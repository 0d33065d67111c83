// Which convolutions Winograd's algorithms compute.
#include "conv_shape.h"

#pragma STDC FP_CONTRACT OFF

int32_t apusk_conv2d_f32_winograd_fits(const apusk_conv2d_f32_args *args) {
  return args->kh == 3 && args->kw == 3 && args->stride_h == 1 && args->stride_w == 1 && args->dilation_h == 1 &&
         args->dilation_w == 1 && !apusk_conv_is_depthwise(args->cin, args->groups);
}

// Time of one image and group, in multiplications: those of the products; the transforms of each tile and channel; and
// reading the weights, which in a whole model come from memory. The factors fit measurements of 30 shapes
// (WINOGRAD.md).
static double time_of(const apusk_conv2d_f32_args *args, int64_t m, double input, double output) {
  double cin = (double)(args->cin / args->groups);
  double cout = (double)((args->cout / args->groups + 7) & ~(int64_t)7);  // as packed
  double tiles = (double)apusk_divide_up(args->oh, m) * (double)apusk_divide_up(args->ow, m);
  double products = (double)((m + 2) * (m + 2)) * cin * cout;
  return tiles * (products + input * cin + output * cout) + 6.0 * products;
}

int32_t apusk_conv2d_f32_fastest(const apusk_conv2d_f32_args *args) {
  if (args->groups < 1 || !apusk_conv2d_f32_winograd_fits(args)) return 0;
  double direct = time_of(args, 1, 0, 0), two = time_of(args, 2, 60, 130), four = time_of(args, 4, 150, 300);
  // Winograd where it wins clearly. Of its two sizes the smaller is nearer to the exact sum and takes less memory.
  bool is_four = four < 0.95 * two;
  return (is_four ? four : two) < 0.85 * direct ? (is_four ? APUSK_WINOGRAD_4 : APUSK_WINOGRAD_2) : 0;
}
