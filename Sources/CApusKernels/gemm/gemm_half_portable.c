// What 16 bits mean, in plain C. All products read strips of floats.
#include <string.h>

#include "gemm_half.h"

#pragma STDC FP_CONTRACT OFF

static float float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static float float_of_bf16(uint16_t element) { return float_of_bits((uint32_t)element << 16); }

static float float_of_f16(uint16_t element) {
  const uint32_t sign = (uint32_t)(element & 0x8000) << 16, exponent = element >> 10 & 31, fraction = element & 1023;
  if (exponent == 31) return float_of_bits(sign | 0x7f800000 | fraction << 13);
  if (exponent == 0) return (sign ? -0x1p-24f : 0x1p-24f) * (float)fraction;  // subnormal, exact
  return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static void widen_f16(const uint16_t *source, int64_t count, float *target) {
  for (int64_t i = 0; i < count; i++) target[i] = float_of_f16(source[i]);
}

static void widen_bf16(const uint16_t *source, int64_t count, float *target) {
  for (int64_t i = 0; i < count; i++) target[i] = float_of_bf16(source[i]);
}

#define NR 16

static void unzip(const uint16_t *panel, int64_t depth, float *target) {
  for (; depth > 0; depth--, panel += NR, target += NR) {
    for (int j = 0; j < NR / 2; j++) {
      target[j] = float_of_bf16(panel[2 * j]);
      target[NR / 2 + j] = float_of_bf16(panel[2 * j + 1]);
    }
  }
}

const apusk_half_isa apusk_half_portable = {.widen = {widen_f16, widen_bf16}, .unzip = unzip};
