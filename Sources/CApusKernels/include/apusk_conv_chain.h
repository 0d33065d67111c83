// Convolutions one after the other as one step, fp32, channels-last: band by band of the last one's rows. What is between them is
// made and used while it is in the L2 cache, and is nowhere as a whole. The results are those of the convolutions one by one,
// bit for bit.
#ifndef APUSK_CONV_CHAIN_H
#define APUSK_CONV_CHAIN_H

#include "apusk_conv.h"

#ifdef __cplusplus
extern "C" {
#endif

#define APUSK_CONV_CHAIN_MOST 3

typedef struct apusk_conv_chain_args {
  // Of the first x is read, of the last y is written; what is between two lies without gaps. Planned by apusk_conv_chain_plan.
  apusk_conv2d_f32_args convolutions[APUSK_CONV_CHAIN_MOST];
  int64_t count;  // 2 or 3
  // Written by apusk_conv_chain_plan.
  int64_t rows_per_unit;  // of the last one's output
  int64_t rows_between[APUSK_CONV_CHAIN_MOST - 1];  // most rows of the images between
} apusk_conv_chain_args;

// Cuts the work into units and fills `plan`. Returns 0; 100 where the second one is not depthwise, or they can't be done so, or
// don't gain: what lies between them stays in a second-level cache anyway, or is too large in bands, too.
int32_t apusk_conv_chain_plan(const apusk_conv_kernels *kernels, apusk_conv_chain_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
