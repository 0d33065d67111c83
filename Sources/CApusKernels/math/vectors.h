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
#define APUSK_LANES 16

typedef float f32x16 __attribute__((ext_vector_type(16)));
typedef int32_t i32x16 __attribute__((ext_vector_type(16)));

APUSK_INLINE f32x16 splat(float value) { return (f32x16)value; }
APUSK_INLINE i32x16 bits_of(f32x16 v) { return (i32x16)v; }
APUSK_INLINE f32x16 float_of_bits(i32x16 v) { return (f32x16)v; }
#if APUSK_ISA > 0
APUSK_INLINE f32x16 fma16(f32x16 a, f32x16 b, f32x16 c) { return __builtin_elementwise_fma(a, b, c); }
#else
// 16 calls of fmaf where the base target has no such instruction: one loop, not a copy at each use.
APUSK_LONG_FUNCTION f32x16 fma16(f32x16 a, f32x16 b, f32x16 c) {
#pragma clang loop unroll(disable)
  for (int lane = 0; lane < APUSK_LANES; lane++) c[lane] = fmaf(a[lane], b[lane], c[lane]);
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
#elif APUSK_ISA == 1
APUSK_INLINE __m256i part_mask(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

APUSK_INLINE f32x16 load_part(const float *p, int64_t n) {
  union {
    f32x16 whole;
    __m256 half[2];
  } v;
  v.half[0] = _mm256_maskload_ps(p, part_mask(n));
  v.half[1] = n > 8 ? _mm256_maskload_ps(p + 8, part_mask(n - 8)) : _mm256_setzero_ps();
  return v.whole;
}

APUSK_INLINE void store_part(float *p, f32x16 v, int64_t n) {
  union {
    f32x16 whole;
    __m256 half[2];
  } u = {v};
  _mm256_maskstore_ps(p, part_mask(n), u.half[0]);
  if (n > 8) _mm256_maskstore_ps(p + 8, part_mask(n - 8), u.half[1]);
}
#else
APUSK_INLINE f32x16 load_part(const float *p, int64_t n) {
  float lanes[APUSK_LANES] = {0};
  for (int64_t i = 0; i < n; i++) lanes[i] = p[i];
  return load16(lanes);
}

APUSK_INLINE void store_part(float *p, f32x16 v, int64_t n) {
  float lanes[APUSK_LANES];
  store16(lanes, v);
  for (int64_t i = 0; i < n; i++) p[i] = lanes[i];
}
#endif

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
  typedef float f32x8 __attribute__((ext_vector_type(8)));
  typedef float f32x4 __attribute__((ext_vector_type(4)));
  f32x8 eight = v.lo + v.hi;
  f32x4 four = eight.lo + eight.hi;
  return (four[0] + four[2]) + (four[1] + four[3]);
}

#endif
