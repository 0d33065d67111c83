// Unary functions of elements of any type in their wide form: one version for all levels and types.
#ifndef APUSK_UNARY_WIDE_H
#define APUSK_UNARY_WIDE_H

#include "../include/apusk_elementwise.h"

// Whether there is such a function of such elements.
int apusk_unary_wide_has(int32_t function, int32_t element_type);

int32_t apusk_unary_wide_kernel(const void *args, int64_t begin, int64_t end, apusp_worker *worker);

#endif
