// Eight lanes: AVX2, FMA and F16C, which the level has all three.
#include <immintrin.h>
#include <stdint.h>

#pragma STDC FP_CONTRACT OFF

#define SIMD_TARGET __attribute__((target("avx2,fma,f16c")))
#define SIMD_INLINE static inline __attribute__((always_inline, target("avx2,fma,f16c")))
// Loops over arrays of vectors: unrolled they live in registers.
#define SIMD_UNROLL _Pragma("clang loop unroll(full)")
#define VL 8
typedef __m256 vf;

SIMD_INLINE vf vzero(void) { return _mm256_setzero_ps(); }
SIMD_INLINE vf vset1(float x) { return _mm256_set1_ps(x); }
SIMD_INLINE vf vload(const float *p) { return _mm256_loadu_ps(p); }
SIMD_INLINE void vstore(float *p, vf v) { _mm256_storeu_ps(p, v); }
SIMD_INLINE __m256i simd_mask(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
// The first n < VL lanes, the others zero or untouched.
SIMD_INLINE vf vload_n(const float *p, int64_t n) { return _mm256_maskload_ps(p, simd_mask(n)); }
// In pieces of 4, 2 and 1: a masked store is microcode on some CPUs.
SIMD_INLINE void vstore_n(float *p, vf v, int64_t n) {
  __m128 part = _mm256_castps256_ps128(v);
  if (n & 4) {
    _mm_storeu_ps(p, part);
    part = _mm256_extractf128_ps(v, 1);
    p += 4;
  }
  if (n & 2) {
    _mm_storel_pi((__m64 *)p, part);
    part = _mm_movehl_ps(part, part);
    p += 2;
  }
  if (n & 1) _mm_store_ss(p, part);
}
SIMD_INLINE vf vfma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
SIMD_INLINE vf vadd(vf a, vf b) { return _mm256_add_ps(a, b); }
SIMD_INLINE vf vsub(vf a, vf b) { return _mm256_sub_ps(a, b); }
SIMD_INLINE vf vmul(vf a, vf b) { return _mm256_mul_ps(a, b); }
SIMD_INLINE vf vdiv(vf a, vf b) { return _mm256_div_ps(a, b); }
SIMD_INLINE vf vabs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
// maxps and minps give their second operand for NaN and for equal zeros: the comparisons of the portable form.
SIMD_INLINE vf vraise(vf v, vf low) { return _mm256_max_ps(low, v); }
SIMD_INLINE vf vlower(vf v, vf high) { return _mm256_min_ps(high, v); }
// Lanes in groups of `group`, a power of two: `i` of its own group for each lane.
SIMD_INLINE vf vfrom_group(vf v, int64_t group, int64_t i) {
  __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  __m256i first = _mm256_and_si256(lanes, _mm256_set1_epi32((int32_t)-group));
  return _mm256_permutevar8x32_ps(v, _mm256_add_epi32(first, _mm256_set1_epi32((int32_t)i)));
}
// The larger; NaN where one of them is.
SIMD_INLINE vf vmost(vf a, vf b) {
  return _mm256_blendv_ps(_mm256_max_ps(b, a), _mm256_set1_ps(__builtin_nanf("")), _mm256_cmp_ps(a, b, _CMP_UNORD_Q));
}
// Lower lanes to p, the others to q.
SIMD_INLINE void vstore_halves(float *p, float *q, vf v) {
  _mm_storeu_ps(p, _mm256_castps256_ps128(v));
  _mm_storeu_ps(q, _mm256_extractf128_ps(v, 1));
}
// Lanes 0, 2, 4 ... of a, then of b; and 1, 3, 5 ...
SIMD_INLINE vf vevens(vf a, vf b) {
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88)), 0xd8));
}
SIMD_INLINE vf vodds(vf a, vf b) {
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xdd)), 0xd8));
}
SIMD_INLINE vf vif_less(vf a, vf b, vf yes, vf no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
