// Products of int16 rows for the integer convolutions.
#ifndef APUSK_CONV_INTEGER_DOT_H
#define APUSK_CONV_INTEGER_DOT_H

#include <stdint.h>

// sums[i * 4 + j] = sum over p < k of a[i * k + p] * b[j * k + p], modulo 2^32; i < 2, j < 4, k a multiple of 16.
typedef void (*apusk_integer_dot)(const int16_t *a, const int16_t *b, int64_t k, int32_t *sums);

void apusk_integer_dot_portable(const int16_t *a, const int16_t *b, int64_t k, int32_t *sums);
#if defined(__x86_64__)
void apusk_integer_dot_avx2(const int16_t *a, const int16_t *b, int64_t k, int32_t *sums);
#endif

#endif
