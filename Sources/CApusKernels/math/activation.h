// The activations of apusk_tail.h on 16 floats. Included inside a file of kernels, after its isa_*.h.
#ifndef APUSK_ACTIVATION_H
#define APUSK_ACTIVATION_H

#include "functions.h"
#include "gelu.h"

APUSK_INLINE f32x16 clip16(f32x16 v, float low, float high) {
  v = v < low ? splat(low) : v;
  return v > high ? splat(high) : v;
}

// `activation` is a constant where this is inlined: callers switch outside their loops.
APUSK_INLINE f32x16 activate16(f32x16 v, int32_t activation, float alpha, float beta) {
  switch (activation) {
    case APUSK_ACTIVATION_RELU: return v < 0.0f ? splat(0.0f) : v;
    case APUSK_ACTIVATION_LEAKY_RELU: return v < 0.0f ? alpha * v : v;
    case APUSK_ACTIVATION_SIGMOID: return sigmoid16(v);
    case APUSK_ACTIVATION_TANH: return tanh16(v);
    case APUSK_ACTIVATION_CLIP: return clip16(v, alpha, beta);
    case APUSK_ACTIVATION_HARD_SIGMOID: return clip16(alpha * v + beta, 0.0f, 1.0f);
    case APUSK_ACTIVATION_HARD_SWISH: return v * clip16(alpha * v + beta, 0.0f, 1.0f);
    case APUSK_ACTIVATION_SWISH: return swish16(v, alpha);
    case APUSK_ACTIVATION_GELU: return gelu16(v);
    default: return v;
  }
}

#endif
