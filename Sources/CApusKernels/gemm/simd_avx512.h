// Sixteen lanes: AVX-512 F, BW, DQ, VL.
#include <immintrin.h>
#include <stdint.h>

#pragma STDC FP_CONTRACT OFF

#define SIMD_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define SIMD_INLINE \
  static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
// Loops over arrays of vectors: unrolled they live in registers.
#define SIMD_UNROLL _Pragma("clang loop unroll(full)")
#define VL 16
typedef __m512 vf;

SIMD_INLINE vf vzero(void) { return _mm512_setzero_ps(); }
SIMD_INLINE vf vset1(float x) { return _mm512_set1_ps(x); }
SIMD_INLINE vf vload(const float *p) { return _mm512_loadu_ps(p); }
SIMD_INLINE void vstore(float *p, vf v) { _mm512_storeu_ps(p, v); }
SIMD_INLINE __mmask16 simd_mask(int64_t n) { return (__mmask16)((1u << n) - 1); }
// The first n < VL lanes, the others zero or untouched.
SIMD_INLINE vf vload_n(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(simd_mask(n), p); }
SIMD_INLINE void vstore_n(float *p, vf v, int64_t n) { _mm512_mask_storeu_ps(p, simd_mask(n), v); }
SIMD_INLINE vf vfma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
SIMD_INLINE vf vadd(vf a, vf b) { return _mm512_add_ps(a, b); }
SIMD_INLINE vf vsub(vf a, vf b) { return _mm512_sub_ps(a, b); }
SIMD_INLINE vf vmul(vf a, vf b) { return _mm512_mul_ps(a, b); }
SIMD_INLINE vf vdiv(vf a, vf b) { return _mm512_div_ps(a, b); }
SIMD_INLINE vf vabs(vf a) { return _mm512_abs_ps(a); }
// maxps and minps give their second operand for NaN and for equal zeros: the comparisons of the portable form.
SIMD_INLINE vf vraise(vf v, vf low) { return _mm512_max_ps(low, v); }
SIMD_INLINE vf vlower(vf v, vf high) { return _mm512_min_ps(high, v); }
// Lanes in groups of `group`, a power of two: `i` of its own group for each lane.
SIMD_INLINE vf vfrom_group(vf v, int64_t group, int64_t i) {
  __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512i first = _mm512_and_si512(lanes, _mm512_set1_epi32((int32_t)-group));
  return _mm512_permutexvar_ps(_mm512_add_epi32(first, _mm512_set1_epi32((int32_t)i)), v);
}
// The larger; NaN where one of them is.
SIMD_INLINE vf vmost(vf a, vf b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q), _mm512_max_ps(b, a), _mm512_set1_ps(__builtin_nanf("")));
}
// Lower lanes to p, the others to q.
SIMD_INLINE void vstore_halves(float *p, float *q, vf v) {
  _mm256_storeu_ps(p, _mm512_castps512_ps256(v));
  _mm256_storeu_ps(q, _mm512_extractf32x8_ps(v, 1));
}
// Lanes 0, 2, 4 ... of a, then of b; and 1, 3, 5 ...
SIMD_INLINE vf vevens(vf a, vf b) {
  return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30), b);
}
SIMD_INLINE vf vodds(vf a, vf b) {
  return _mm512_permutex2var_ps(a, _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31), b);
}
SIMD_INLINE vf vif_less(vf a, vf b, vf yes, vf no) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}
