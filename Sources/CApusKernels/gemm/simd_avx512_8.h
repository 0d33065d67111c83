// Eight lanes with the masks of AVX-512 VL, for narrow outputs.
#include <immintrin.h>
#include <stdint.h>

#pragma STDC FP_CONTRACT OFF

#define SIMD_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#define SIMD_INLINE \
  static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
// Loops over arrays of vectors: unrolled they live in registers.
#define SIMD_UNROLL _Pragma("clang loop unroll(full)")
#define VL 8
typedef __m256 vf;

SIMD_INLINE vf vzero(void) { return _mm256_setzero_ps(); }
SIMD_INLINE vf vset1(float x) { return _mm256_set1_ps(x); }
SIMD_INLINE vf vload(const float *p) { return _mm256_loadu_ps(p); }
SIMD_INLINE void vstore(float *p, vf v) { _mm256_storeu_ps(p, v); }
SIMD_INLINE __mmask8 simd_mask(int64_t n) { return (__mmask8)((1u << n) - 1); }
// The first n < VL lanes, the others zero or untouched.
SIMD_INLINE vf vload_n(const float *p, int64_t n) { return _mm256_maskz_loadu_ps(simd_mask(n), p); }
SIMD_INLINE void vstore_n(float *p, vf v, int64_t n) { _mm256_mask_storeu_ps(p, simd_mask(n), v); }
SIMD_INLINE vf vfma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
SIMD_INLINE vf vadd(vf a, vf b) { return _mm256_add_ps(a, b); }
SIMD_INLINE vf vmul(vf a, vf b) { return _mm256_mul_ps(a, b); }
// maxps and minps give their second operand for NaN and for equal zeros: the comparisons of the portable form.
SIMD_INLINE vf vraise(vf v, vf low) { return _mm256_max_ps(low, v); }
SIMD_INLINE vf vlower(vf v, vf high) { return _mm256_min_ps(high, v); }
SIMD_INLINE vf vif_less(vf a, vf b, vf yes, vf no) {
  return _mm256_mask_blend_ps(_mm256_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}
