// Which convolutions Winograd's algorithms compute.
#include "conv_isa.h"
#include "winograd.h"

#pragma STDC FP_CONTRACT OFF

int32_t apusk_conv2d_f32_winograd_fits(const apusk_conv2d_f32_args *args) {
  return args->kh == 3 && args->kw == 3 && args->stride_h == 1 && args->stride_w == 1 && args->dilation_h == 1 &&
         args->dilation_w == 1 && !apusk_conv_is_depthwise(args->cin, args->groups);
}

void apusk_winograd_cut_axis(int64_t m, int64_t outputs, int64_t tiles[2]) {
  const int64_t rest = outputs % m;
  // Two tiles of m - 2 = 4 for m + 1 and m + 2 outputs, one for m - 3 and m - 2. Of m = 2 there are no smaller ones.
  tiles[1] = m == 2 || rest == 0 || rest == m - 1 ? 0 : m == 6 && rest <= 2 && outputs > m ? 2 : 1;
  const int64_t left = outputs - tiles[1] * (m - 2);
  tiles[0] = left > 0 ? apusk_divide_up(left, m) : 0;
}

static double axis_points(int64_t m, int64_t outputs) {
  int64_t tiles[2];
  apusk_winograd_cut_axis(m, outputs, tiles);
  return (double)(tiles[0] * (m + 2) + tiles[1] * m);
}

double apusk_winograd_points(const apusk_conv2d_f32_args *args) {
  return axis_points(args->winograd, args->oh) * axis_points(args->winograd, args->ow);
}

// Time of one image and group, in multiplications: those of the products; the transforms of each point and channel, and
// what a product costs however short its sums; and reading the weights, which in a whole model come from memory. The factors fit
// measurements of 30 shapes (WINOGRAD.md).
static double time_of(apusk_conv2d_f32_args args, int32_t m) {
  const double cin = (double)(args.cin / args.groups);
  const double cout = (double)((args.cout / args.groups + 7) & ~(int64_t)7);  // as packed
  if (m == 0) return (double)args.oh * (double)args.ow * 9 * cin * cout + 6 * 9 * cin * cout;
  args.winograd = m;
  const double lanes = (double)((args.cin / args.groups + 15) & ~(int64_t)15), taps = (double)((m + 2) * (m + 2));
  return apusk_winograd_points(&args) * (cin * cout + 4.2 * lanes + 17 * cout) + 6 * taps * cin * cout;
}

int32_t apusk_conv2d_f32_fastest(const apusk_conv2d_f32_args *args) {
  if (args->groups < 1 || !apusk_conv2d_f32_winograd_fits(args)) return 0;
  // Of the sizes a smaller one is nearer to the exact sum and takes less memory.
  int32_t best = APUSK_WINOGRAD_2;
  double least = time_of(*args, best);
  for (int32_t m = APUSK_WINOGRAD_4; m <= APUSK_WINOGRAD_6; m += 2) {
    const double time = time_of(*args, m);
    if (time >= 0.95 * least) continue;
    best = m;
    least = time;
  }
  // Winograd where it wins clearly.
  return least < 0.85 * time_of(*args, 0) ? best : 0;
}

int32_t apusk_conv2d_f32_expected(const apusk_conv_kernels *kernels, const apusk_conv2d_f32_args *args,
                                  float microseconds[APUSK_CONV2D_ALGORITHMS]) {
  if (args->groups < 1 || !apusk_conv2d_f32_winograd_fits(args)) return 0;
  const apusk_conv_isa *isa = (const apusk_conv_isa *)kernels;  // its first member
  const double each = (double)args->batch * (double)args->groups / (double)isa->gemm->multiplies_per_us;
  for (int32_t m = 0; m <= APUSK_WINOGRAD_6; m += 2) microseconds[m / 2] = (float)(each * time_of(*args, m));
  return APUSK_CONV2D_ALGORITHMS;
}
