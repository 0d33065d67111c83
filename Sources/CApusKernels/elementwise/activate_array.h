// Template: the activations that are passes of their own, over a chunk that is still in the first-level cache.
#ifndef APUSK_ACTIVATE_ARRAY_H
#define APUSK_ACTIVATE_ARRAY_H

#include "../math/activation.h"

// Elements between an operation and its activation.
#define APUSK_ACTIVATION_CHUNK 1024

// Whether kernels apply the activation inside their own loop (it costs an instruction or two) instead of a pass.
APUSK_INLINE int activation_is_inline(int32_t activation) {
  return activation == APUSK_ACTIVATION_NONE || activation == APUSK_ACTIVATION_RELU;
}

static void activate_array(float *v, int64_t count, int32_t activation, float alpha, float beta) {
  switch (activation) {
    case APUSK_ACTIVATION_SIGMOID: APUSK_ISA_NAME(apusk_sigmoid_f32)(v, v, count); break;
    case APUSK_ACTIVATION_TANH: APUSK_ISA_NAME(apusk_tanh_f32)(v, v, count); break;
    case APUSK_ACTIVATION_LEAKY_RELU:
      for (int64_t i = 0; i < count; i += APUSK_LANES) {
        store_lanes(v + i, activate16(load_lanes(v + i, count - i), APUSK_ACTIVATION_LEAKY_RELU, alpha, beta), count - i);
      }
      break;
    case APUSK_ACTIVATION_CLIP:
      for (int64_t i = 0; i < count; i += APUSK_LANES) {
        store_lanes(v + i, activate16(load_lanes(v + i, count - i), APUSK_ACTIVATION_CLIP, alpha, beta), count - i);
      }
      break;
    default: break;
  }
}

#endif
