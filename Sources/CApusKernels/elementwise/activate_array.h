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

#endif
