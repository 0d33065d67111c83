// Template over a simd_*.h of at most 8 lanes: rows of convolutions with one input channel and up to 8 output channels, the
// first layer of networks for grey images. Micro-kernels load a float for each multiplication there; here a pixel meets all
// taps of a kernel row. LONE_PIXELS: how many sums fit the registers.
#include "conv_isa.h"

// Sums of LONE_PIXELS pixels side by side, lanes c ..< c + VL of the output channels; each in the order ky, kx.
SIMD_INLINE void lone_pixels(const apusk_lone_row *r, const float *x, float *y, int64_t c, const int kw) {
  vf sums[LONE_PIXELS];
  SIMD_UNROLL for (int i = 0; i < LONE_PIXELS; i++) sums[i] = vzero();
  const float *w = r->w + c;
  for (int64_t ky = 0; ky < r->kh; ky++) {
    vf weights[5];
    SIMD_UNROLL for (int kx = 0; kx < kw; kx++) weights[kx] = vload(w + kx * 8);
    SIMD_UNROLL for (int j = 0; j < LONE_PIXELS + kw - 1; j++) {
      const vf pixel = vset1(x[j]);
      SIMD_UNROLL for (int kx = kw - 1; kx >= 0; kx--) {
        const int i = j - kx;
        if (i >= 0 && i < LONE_PIXELS) sums[i] = vfma(pixel, weights[kx], sums[i]);
      }
    }
    w += kw * 8;
    x += r->x_row;
  }
  const int64_t n = r->channels - c;
  vf bias = vset1(-0.0f);  // v + -0 is v, whatever v is
  if (r->bias) bias = n >= VL ? vload(r->bias + c) : vload_n(r->bias + c, n);
  const vf low = vset1(r->low), high = vset1(r->high);
  y += c;
  SIMD_UNROLL for (int i = 0; i < LONE_PIXELS; i++) {
    const vf v = vlower(vraise(vadd(sums[i], bias), low), high);
    if (n >= VL) {
      vstore(y, v);
    } else {
      vstore_n(y, v, n);
    }
    y += r->y_pixel;
  }
}

SIMD_INLINE void lone_row(const apusk_lone_row *r, const int kw) {
  for (int64_t pixel = 0; pixel < r->pixels; pixel += LONE_PIXELS) {
    // The last ones overlap those before them.
    if (pixel + LONE_PIXELS > r->pixels) pixel = r->pixels - LONE_PIXELS;
    for (int64_t c = 0; c < r->channels; c += VL) lone_pixels(r, r->x + pixel, r->y + pixel * r->y_pixel, c, kw);
  }
}

SIMD_TARGET static void lone_3(const apusk_lone_row *r) { lone_row(r, 3); }
SIMD_TARGET static void lone_5(const apusk_lone_row *r) { lone_row(r, 5); }

#define LONE_CHANNEL_TABLE {.least_pixels = LONE_PIXELS, .rows = {lone_3, lone_5}}
