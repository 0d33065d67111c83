// What an instruction set level adds for convolutions.
#ifndef APUSK_CONV_ISA_H
#define APUSK_CONV_ISA_H

#include "apusk_conv_chain.h"
#include "apusk_conv_nd.h"
#include "apusk_deform_conv.h"
#include "conv_shape.h"
#include "depthwise.h"
#include "winograd.h"

// Two rows of 16 or more output pixels of up to 8 channels, from one input channel. Pixel i of row j is the sum over ky, kx of
// x[j * x_row + ky * x_tap + i + kx] * w[(ky * kw + kx) * 8 + c], plus the bias, in bounds.
typedef struct apusk_lone_rows {
  const float *x;
  int64_t x_row, x_tap;
  const float *w;
  float *planes;  // of the channels, an even number of them, `plane` floats apart: the two rows one behind the other
  int64_t plane;
  int64_t kh, kw, pixels, channels;
  const float *bias;  // NULL: none
  float low, high;
  bool pool;  // planes get a row of the maxima of 2x2 pixels
} apusk_lone_rows;

struct apusk_conv_isa {
  apusk_conv_kernels kernels;
  const apusk_gemm_isa *gemm;
  int32_t lanes;  // of a vector; 1 where there are no depthwise_seven
  void (*depthwise)(const apusk_depthwise *row);
  void (*scale)(float *x, int64_t rows, int64_t stride, const float *scale, int64_t count);  // x[r, i] *= scale[i]
  void (*depthwise_seven[APUSK_DEPTHWISE_ALL_KINDS])(const apusk_depthwise_seven *seven);
  apusk_winograd_transforms winograd;
  void (*lone)(const apusk_lone_rows *rows);
};

extern const apusk_conv_isa apusk_conv_isa_portable;
#if defined(__x86_64__)
extern const apusk_conv_isa apusk_conv_isa_avx2;
extern const apusk_conv_isa apusk_conv_isa_avx512;
#endif

int32_t apusk_conv2d_f32_run(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, int64_t begin, int64_t end,
                             apusp_worker *worker);
int32_t apusk_conv2d_depthwise_f32_run(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, int64_t begin,
                                       int64_t end, apusp_worker *worker);

int32_t apusk_conv2d_pack_f32_run(const apusk_conv_isa *isa, const apusk_conv2d_pack_f32_args *args, int64_t begin,
                                  int64_t end);
int64_t apusk_conv2d_pack_units(const apusk_conv_kernels *kernels, const apusk_conv2d_pack_f32_args *args);

int32_t apusk_conv2d_grouped_f32_run(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, int64_t begin,
                                     int64_t end, apusp_worker *worker);
int32_t apusk_conv2d_grouped_f32_cut(const apusk_conv_isa *isa, apusk_conv2d_f32_args *args, apusk_plan *plan);

// Whether the kernels of depthwise.h themselves do the tail but for activations other than bounds, which are set here.
bool apusk_depthwise_fuse_tail(const apusk_tail *tail, apusk_depthwise *row);
// Where an output row and the input rows under it are, which of them exist.
void apusk_depthwise_place_row(const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape, int64_t image,
                               int64_t oy, int64_t first_channel, apusk_depthwise *row);
// What is left of the tail; `fused`: what apusk_depthwise_fuse_tail answered.
void apusk_depthwise_finish_row(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, bool fused, int64_t image,
                                int64_t oy, int64_t first_channel, const apusk_depthwise *row);

// rows_per_unit (output rows) and panels_per_unit (channels) for the depthwise kernel, and the plan's numbers.
int32_t apusk_conv2d_depthwise_f32_cut(const apusk_conv_isa *isa, apusk_conv2d_f32_args *args,
                                       const apusk_conv_shape *shape, apusk_plan *plan);

int32_t apusk_conv_nd_f32_run(const apusk_conv_isa *isa, const apusk_conv_nd_args *args, int64_t begin, int64_t end,
                              apusp_worker *worker);
int32_t apusk_conv_nd_depthwise_f32_run(const apusk_conv_isa *isa, const apusk_conv_nd_args *args, int64_t begin,
                                        int64_t end, apusp_worker *worker);
int32_t apusk_conv_nd_pack_f32_run(const apusk_conv_isa *isa, const apusk_conv_nd_pack_f32_args *args, int64_t begin,
                                   int64_t end);
int32_t apusk_deform_conv_f32_run(const apusk_conv_isa *isa, const apusk_deform_conv_args *args, int64_t begin,
                                  int64_t end, apusp_worker *worker);
int32_t apusk_conv_chain_f32_run(const apusk_conv_isa *isa, const apusk_conv_chain_args *args, int64_t begin, int64_t end,
                                 apusp_worker *worker);

#define APUSK_CONV_ENTRY(isa, gemm_isa, level_number)                                                       \
  static int32_t conv2d(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {                 \
    return apusk_conv2d_f32_run(&isa, args, begin, end, worker);                                              \
  }                                                                                                           \
  static int32_t conv2d_depthwise(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {       \
    return apusk_conv2d_depthwise_f32_run(&isa, args, begin, end, worker);                                    \
  }                                                                                                           \
  static int32_t conv2d_pack(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {            \
    (void)worker;                                                                                             \
    return apusk_conv2d_pack_f32_run(&isa, args, begin, end);                                                 \
  }                                                                                                           \
  static int32_t conv_nd(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {                \
    return apusk_conv_nd_f32_run(&isa, args, begin, end, worker);                                             \
  }                                                                                                           \
  static int32_t conv_nd_depthwise(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {      \
    return apusk_conv_nd_depthwise_f32_run(&isa, args, begin, end, worker);                                   \
  }                                                                                                           \
  static int32_t conv_nd_pack(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {           \
    (void)worker;                                                                                             \
    return apusk_conv_nd_pack_f32_run(&isa, args, begin, end);                                                \
  }                                                                                                           \
  static int32_t deform_conv(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {            \
    return apusk_deform_conv_f32_run(&isa, args, begin, end, worker);                                         \
  }                                                                                                           \
  static int32_t conv_chain(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {             \
    return apusk_conv_chain_f32_run(&isa, args, begin, end, worker);                                          \
  }                                                                                                           \
  const apusk_conv_isa isa = {                                                                                \
      .kernels = {level_number, &gemm_isa.kernels, conv2d, conv2d_depthwise, conv2d_pack, conv_nd,            \
                  conv_nd_depthwise, conv_nd_pack, deform_conv, conv_chain},                                 \
      .gemm = &gemm_isa,                                                                                      \
      .lanes = VL,                                                                                            \
      .depthwise = depthwise_row,                                                                             \
      .scale = scale_rows,                                                                                    \
      .depthwise_seven = {DEPTHWISE_SEVENS, grouped_3_1, grouped_3_2},                                        \
      .winograd = {winograd_input, winograd_output, winograd_pool},                                           \
      .lone = lone_rows,                                                                                     \
  };

#endif
