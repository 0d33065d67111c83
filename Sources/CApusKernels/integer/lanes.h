// Begins the kernels of a level: vectors of LANES int32 or floats, and what all levels write the same way. The level has set
// LANES and LANES_TARGET (the attribute of its functions, or nothing).
#include <string.h>

#include "integer_isa.h"

#pragma clang fp contract(off)
#pragma clang diagnostic ignored "-Wpsabi"

#define LANES_INLINE LANES_TARGET static inline __attribute__((always_inline))
// Loops over arrays of vectors: unrolled they live in registers.
#define LANES_UNROLL _Pragma("clang loop unroll(full)")

typedef uint32_t lanes_int __attribute__((ext_vector_type(LANES)));  // unsigned: sums wrap
typedef int32_t lanes_signed __attribute__((ext_vector_type(LANES)));
typedef float lanes_float __attribute__((ext_vector_type(LANES)));
typedef uint8_t lanes_u8 __attribute__((ext_vector_type(LANES)));
typedef int8_t lanes_s8 __attribute__((ext_vector_type(LANES)));

LANES_INLINE lanes_int lanes_load(const void *p) {
  lanes_int v;
  memcpy(&v, p, sizeof v);
  return v;
}
LANES_INLINE lanes_float lanes_load_floats(const float *p) {
  lanes_float v;
  memcpy(&v, p, sizeof v);
  return v;
}
LANES_INLINE void lanes_store(void *p, lanes_int v) { memcpy(p, &v, sizeof v); }
LANES_INLINE lanes_int lanes_set(uint32_t x) { return (lanes_int)x; }
LANES_INLINE lanes_float lanes_set_float(float x) { return (lanes_float)x; }
LANES_INLINE lanes_float lanes_to_float(lanes_int v) { return __builtin_convertvector((lanes_signed)v, lanes_float); }

// The first n of LANES bytes.
LANES_INLINE lanes_int lanes_load_bytes(const void *p, int64_t n, bool is_signed) {
  lanes_u8 bytes = 0;
  if (n >= LANES) {
    memcpy(&bytes, p, sizeof bytes);
  } else {
    uint8_t part[LANES] = {0};
    for (int64_t i = 0; i < n; i++) part[i] = ((const uint8_t *)p)[i];
    memcpy(&bytes, part, sizeof bytes);
  }
  if (is_signed) {
    lanes_s8 low;
    memcpy(&low, &bytes, sizeof low);
    return __builtin_convertvector(low, lanes_int);
  }
  return __builtin_convertvector(bytes, lanes_int);
}
LANES_INLINE void lanes_store_bytes(void *p, lanes_int v, int64_t n) {
  lanes_u8 bytes = __builtin_convertvector(v, lanes_u8);
  if (n >= LANES) {
    memcpy(p, &bytes, sizeof bytes);
    return;
  }
  uint8_t part[LANES];
  memcpy(part, &bytes, sizeof bytes);
  for (int64_t i = 0; i < n; i++) ((uint8_t *)p)[i] = part[i];
}
// The first n of LANES words of four bytes.
LANES_INLINE void lanes_store_words(void *p, lanes_int v, int64_t n) {
  if (n >= LANES) {
    lanes_store(p, v);
    return;
  }
  uint32_t part[LANES];
  memcpy(part, &v, sizeof part);
  memcpy(p, part, sizeof(uint32_t) * (size_t)n);
}
