// One lane of plain C: what the templates mean.
#include <math.h>
#include <stdint.h>

#pragma STDC FP_CONTRACT OFF

#define SIMD_TARGET
#define SIMD_INLINE static inline
#define SIMD_UNROLL
#define VL 1
typedef float vf;

SIMD_INLINE vf vzero(void) { return 0.0f; }
SIMD_INLINE vf vset1(float x) { return x; }
SIMD_INLINE vf vload(const float *p) { return *p; }
SIMD_INLINE void vstore(float *p, vf v) { *p = v; }
// The first n < VL lanes, the others zero or untouched.
SIMD_INLINE vf vload_n(const float *p, int64_t n) { return n > 0 ? *p : 0.0f; }
SIMD_INLINE void vstore_n(float *p, vf v, int64_t n) {
  if (n > 0) *p = v;
}
SIMD_INLINE vf vfma(vf a, vf b, vf c) { return fmaf(a, b, c); }
SIMD_INLINE vf vadd(vf a, vf b) { return a + b; }
SIMD_INLINE vf vsub(vf a, vf b) { return a - b; }
SIMD_INLINE vf vmul(vf a, vf b) { return a * b; }
SIMD_INLINE vf vdiv(vf a, vf b) { return a / b; }
SIMD_INLINE vf vabs(vf a) { return fabsf(a); }
SIMD_INLINE vf vraise(vf v, vf low) { return v < low ? low : v; }       // NaN stays
SIMD_INLINE vf vlower(vf v, vf high) { return v > high ? high : v; }    // NaN stays
SIMD_INLINE vf vmost(vf a, vf b) { return a != a || b != b ? NAN : b > a ? b : a; }
SIMD_INLINE void vstore_halves(float *p, float *q, vf v) {
  (void)q;
  *p = v;
}
SIMD_INLINE vf vevens(vf a, vf b) {
  (void)b;
  return a;
}
SIMD_INLINE vf vodds(vf a, vf b) {
  (void)a;
  return b;
}
SIMD_INLINE vf vif_less(vf a, vf b, vf yes, vf no) { return a < b ? yes : no; }
