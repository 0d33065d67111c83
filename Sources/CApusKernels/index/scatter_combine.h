// What ScatterElements and ScatterND do where an update meets an element.
#ifndef APUSK_SCATTER_COMBINE_H
#define APUSK_SCATTER_COMBINE_H

#include <stdint.h>

// target[i] = target[i] combined with source[i], for `count` elements.
typedef void apusk_combine(void *target, const void *source, int64_t count);

// NULL for types that can not be reduced so. APUSK_SCATTER_SET takes any: it is given by element_bytes.
apusk_combine *apusk_scatter_combine(int32_t reduction, int32_t element_type, int32_t element_bytes);

#endif
