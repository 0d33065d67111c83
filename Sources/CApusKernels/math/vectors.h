// Vectors of 16 floats, the same type on every level: four, two or one machine registers, so that each kernel is written once
// and its lanes mean the same everywhere. Included inside a file of kernels, after its isa_*.h.
//
// Nothing here rounds more than once per named operation, and comparisons with NaN are false.
#ifndef APUSK_VECTORS_H
#define APUSK_VECTORS_H

#define APUSK_INLINE static inline __attribute__((always_inline))
// Functions long enough that on the portable level, where each line is many instructions, one copy a file must do.
#if APUSK_ISA > 0
#define APUSK_LONG_FUNCTION APUSK_INLINE
#else
#define APUSK_LONG_FUNCTION static __attribute__((noinline, unused))
#endif
// Functions of which on the portable level one copy must do for all files: math_portable.c's, which defines
// APUSK_MATH_BODIES. Their definitions stand between #if APUSK_HAS_MATH_BODIES and #endif.
#if APUSK_ISA > 0
#define APUSK_MATH_FUNCTION APUSK_INLINE
#define APUSK_HAS_MATH_BODIES 1
#elif defined(APUSK_MATH_BODIES)
#define APUSK_MATH_FUNCTION
#define APUSK_HAS_MATH_BODIES 1
#else
#define APUSK_MATH_FUNCTION
#define APUSK_HAS_MATH_BODIES 0
#endif
#define APUSK_LANES 16

typedef float f32x16 __attribute__((ext_vector_type(16)));
typedef float f32x8 __attribute__((ext_vector_type(8)));
typedef float f32x4 __attribute__((ext_vector_type(4)));
typedef float f32x2 __attribute__((ext_vector_type(2)));
typedef int32_t i32x16 __attribute__((ext_vector_type(16)));

APUSK_INLINE f32x16 splat(float value) { return (f32x16)value; }
APUSK_INLINE i32x16 bits_of(f32x16 v) { return (i32x16)v; }
APUSK_INLINE f32x16 float_of_bits(i32x16 v) { return (f32x16)v; }
#if APUSK_ISA > 0
APUSK_INLINE f32x16 fma16(f32x16 a, f32x16 b, f32x16 c) { return __builtin_elementwise_fma(a, b, c); }
#else
// 16 calls of fmaf where the base target has no such instruction: one loop, not a copy at each use.
APUSK_LONG_FUNCTION f32x16 fma16(f32x16 a, f32x16 b, f32x16 c) {
  float x[APUSK_LANES], y[APUSK_LANES], z[APUSK_LANES];
  __builtin_memcpy(x, &a, sizeof a);
  __builtin_memcpy(y, &b, sizeof b);
  __builtin_memcpy(z, &c, sizeof c);
#pragma clang loop unroll(disable)
  for (int lane = 0; lane < APUSK_LANES; lane++) z[lane] = fmaf(x[lane], y[lane], z[lane]);
  __builtin_memcpy(&c, z, sizeof c);
  return c;
}
#endif
APUSK_INLINE f32x16 abs16(f32x16 v) { return float_of_bits(bits_of(v) & 0x7fffffff); }

APUSK_INLINE f32x16 load16(const float *p) {
  f32x16 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

APUSK_INLINE void store16(float *p, f32x16 v) { __builtin_memcpy(p, &v, sizeof v); }

// The first n lanes, 0 <= n < 16; the other lanes are 0, their memory is neither read nor written.
#if APUSK_ISA == 2
APUSK_INLINE f32x16 load_part(const float *p, int64_t n) {
  return (f32x16)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

APUSK_INLINE void store_part(float *p, f32x16 v, int64_t n) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
#else
#if APUSK_ISA == 1
APUSK_INLINE f32x8 load_part_of_8(const float *p, int64_t n) {
  __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return (f32x8)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n), lanes));
}
#else
APUSK_INLINE f32x4 load_part_of_4(const float *p, int64_t n) {
  f32x4 v = 0.0f;
  if (n >= 4) {
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
  if (n > 0) v[0] = p[0];
  if (n > 1) v[1] = p[1];
  if (n > 2) v[2] = p[2];
  return v;
}

APUSK_INLINE f32x8 load_part_of_8(const float *p, int64_t n) {
  f32x8 v;
  v.lo = load_part_of_4(p, n);
  v.hi = n > 4 ? load_part_of_4(p + 4, n - 4) : (f32x4)0.0f;
  return v;
}
#endif

APUSK_LONG_FUNCTION f32x16 load_part(const float *p, int64_t n) {
  f32x16 v;
  v.lo = load_part_of_8(p, n);
  v.hi = n > 8 ? load_part_of_8(p + 8, n - 8) : (f32x8)0.0f;
  return v;
}

// In pieces of 8, 4, 2 and 1: what is stored like this can be loaded again without a stall, unlike masked stores.
APUSK_LONG_FUNCTION void store_part(float *p, f32x16 v, int64_t n) {
  f32x8 eight = v.lo;
  if (n & 8) {
    __builtin_memcpy(p, &eight, sizeof eight);
    p += 8;
    eight = v.hi;
  }
  f32x4 four = eight.lo;
  if (n & 4) {
    __builtin_memcpy(p, &four, sizeof four);
    p += 4;
    four = eight.hi;
  }
  f32x2 two = four.lo;
  if (n & 2) {
    __builtin_memcpy(p, &two, sizeof two);
    p += 2;
    two = four.hi;
  }
  if (n & 1) *p = two[0];
}
#endif

// v with the lanes from n on set to `other`, 0 <= n <= 16.
APUSK_INLINE f32x16 replace_rest(f32x16 v, int64_t n, float other) {
  const i32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return lane < (i32x16)(int32_t)n ? v : splat(other);
}

// n lanes, 1 <= n <= 16: the form for loops whose last round is shorter.
APUSK_INLINE f32x16 load_lanes(const float *p, int64_t n) { return n >= APUSK_LANES ? load16(p) : load_part(p, n); }

APUSK_INLINE void store_lanes(float *p, f32x16 v, int64_t n) {
  if (n >= APUSK_LANES) {
    store16(p, v);
  } else {
    store_part(p, v, n);
  }
}

// The tree of apusk_reduce.h: lanes 8 apart, 4 apart, 2 apart, then the last two.
APUSK_INLINE float sum_of_lanes(f32x16 v) {
  f32x8 eight = v.lo + v.hi;
  f32x4 four = eight.lo + eight.hi;
  return (four[0] + four[2]) + (four[1] + four[3]);
}

#endif
