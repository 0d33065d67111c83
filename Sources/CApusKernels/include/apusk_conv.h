// Convolutions, fp32, channels-last. One dimension is two with height 1.
//
// y[b, oy, ox, g*(cout/groups) + j] = tail(sum over ky, kx, ci of
//     x[b, oy*stride_h - pad_top + ky*dilation_h, ox*stride_w - pad_left + kx*dilation_w, g*(cin/groups) + ci]
//     * w[g*(cout/groups) + j, ci, ky, kx])
//
// The sum is that of a matrix product (apusk_gemm.h) with k in the order ky, kx, ci (ci fastest), with one input channel
// for each output channel (cin == groups > 1) a single chain; a position outside x contributes fma(+0, w, acc). This
// holds for every variant, so all of them agree bit by bit.
#ifndef APUSK_CONV_H
#define APUSK_CONV_H

#include "apusk_gemm.h"

#ifdef __cplusplus
extern "C" {
#endif

// Winograd's algorithms for 3x3 convolutions with stride 1 and dilation 1 that are not depthwise: outputs of a tile on each
// axis. They take 4/9, 1/4 and 1/5 of the multiplications, in another order (conv/winograd.h), with errors that conv/WINOGRAD.md
// states. Infinities and NaNs reach all outputs of their tile.
#define APUSK_WINOGRAD_2 2
#define APUSK_WINOGRAD_4 4
#define APUSK_WINOGRAD_6 6

typedef struct apusk_conv2d_f32_args {
  const float *x;           // [batch, ih, iw, cin], pixels x_pixel_stride floats apart
  const float *w;           // packed by apusk_conv2d_f32_pack
  float *y;                 // [batch, oh, ow, cout], pixels y_pixel_stride floats apart; may not overlap x
  int64_t batch, ih, iw, cin, oh, ow, cout, groups;
  int64_t kh, kw, stride_h, stride_w, dilation_h, dilation_w;
  int64_t pad_top, pad_left;        // those at the end follow from oh and ow
  int64_t x_pixel_stride, y_pixel_stride;
  int32_t winograd;                 // the algorithm: 0 for the sum above; one of APUSK_WINOGRAD_2 ... 6
  apusk_tail tail;                  // rows are output pixels, columns output channels; bias [cout]
  // 1: y is [batch, oh / 2, ow / 2, cout], the maxima of 2x2 pixels of the result, as apusk_pool_f32 has them. Where
  // apusk_conv2d_f32_pool_fits: with one of Winograd's algorithms, or with one input channel and up to 8 output channels, and
  // a tail that only adds the bias and has bounds.
  int32_t pool;
  // 1: x[..., ci] * scale[ci], rounded, stands for x[..., ci], and is written over it. For 1x1 convolutions of one group, stride
  // 1, without padding.
  int32_t scaled;
  const float *scale;  // [cin]
  // Written by apusk_conv2d_f32_plan.
  int64_t rows_per_unit;
  int64_t panels_per_unit;
} apusk_conv2d_f32_args;

typedef struct apusk_conv_kernels {
  int32_t level;
  const apusk_gemm_kernels *gemm;           // the panels that weights are packed into
  apusp_kernel conv2d_f32;                  // any groups, through the micro-kernels of the matrix product
  apusp_kernel conv2d_depthwise_f32;        // cin == groups
  apusp_kernel conv2d_pack_f32;             // args: apusk_conv2d_pack_f32_args
  apusp_kernel conv_nd_f32;                 // args: apusk_conv_nd_args (apusk_conv_nd.h)
  apusp_kernel conv_nd_depthwise_f32;       // the same where cin == groups
  apusp_kernel conv_nd_pack_f32;            // args: apusk_conv_nd_pack_f32_args
  apusp_kernel deform_conv_f32;             // args: apusk_deform_conv_args (apusk_deform_conv.h)
  apusp_kernel conv_chain_f32;              // args: apusk_conv_chain_args (apusk_conv_chain.h)
} apusk_conv_kernels;

const apusk_conv_kernels *apusk_conv_kernels_for(int32_t level);

// The algorithm that is fastest for a convolution with constant weights: 0 or one of APUSK_WINOGRAD_2 ... 6. It follows
// from the sizes of one image, so it is the same on every level, for every batch and number of threads.
int32_t apusk_conv2d_f32_fastest(const apusk_conv2d_f32_args *args);

// What the choice goes by: the microseconds that each algorithm is expected to take on one thread of the level's CPU: direct,
// then F(2x2), F(4x4), F(6x6). Returns how many there are to choose from: 4, or 0 where there is one alone.
enum { APUSK_CONV2D_ALGORITHMS = 4 };
int32_t apusk_conv2d_f32_expected(const apusk_conv_kernels *kernels, const apusk_conv2d_f32_args *args,
                                  float microseconds[APUSK_CONV2D_ALGORITHMS]);

// Whether Winograd's algorithms can compute this convolution.
int32_t apusk_conv2d_f32_winograd_fits(const apusk_conv2d_f32_args *args);

// Whether they can take the maxima of its 2x2 pixels, too: `pool` of these arguments may be 1.
int32_t apusk_conv2d_f32_pool_fits(const apusk_conv2d_f32_args *args);

// Bytes of the packed weights; -1 if a size is not positive, groups do not divide the channels, the algorithm does not fit, or
// it overflows. The packing depends on cin, cout, groups, kh, kw, winograd and the level only.
int64_t apusk_conv2d_f32_packed_bytes(const apusk_conv_kernels *kernels, const apusk_conv2d_f32_args *args);

// Packs ONNX weights [cout, cin/groups, kh, kw], dense, into `packed` (64-byte aligned).
void apusk_conv2d_f32_pack(const apusk_conv_kernels *kernels, const apusk_conv2d_f32_args *args, const float *weights,
                           float *packed);

// The same as a step, for weights that are known only at run time.
typedef struct apusk_conv2d_pack_f32_args {
  const float *weights;  // [cout, cin/groups, kh, kw]
  float *packed;
  int64_t cin, cout, groups, kh, kw;
  int32_t winograd;
} apusk_conv2d_pack_f32_args;

// Returns 0, 100 for sizes that make no weights, 301 for an overflow.
int32_t apusk_conv2d_pack_f32_plan(const apusk_conv_kernels *kernels, const apusk_conv2d_pack_f32_args *args,
                                   apusk_plan *plan);

// Chooses the kernel by shape, cuts the work into units and fills `plan`; pointers may still be unset.
// Returns 0, 100 for sizes that make no convolution, 301 for an overflow.
int32_t apusk_conv2d_f32_plan(const apusk_conv_kernels *kernels, apusk_conv2d_f32_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
