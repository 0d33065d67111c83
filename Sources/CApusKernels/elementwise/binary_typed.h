// Binary arithmetic of the types other than float32: one version for all levels.
#ifndef APUSK_BINARY_TYPED_H
#define APUSK_BINARY_TYPED_H

#include "../include/apusk_elementwise.h"

// NULL where there is none.
apusp_kernel apusk_binary_typed_kernel(int32_t function, int32_t element_type);

#endif
