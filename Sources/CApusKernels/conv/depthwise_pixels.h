// Template over a simd_*.h: output pixels of a depthwise convolution (see depthwise.h).
#include "conv_isa.h"

SIMD_INLINE vf depthwise_bias(const float *bias, int64_t c, int64_t n) {
  if (!bias) return vset1(-0.0f);  // v + -0 is v, whatever v is
  return n == VL ? vload(bias + c) : vload_n(bias + c, n);
}

// Channels c ..< c + n of one pixel, any kernel.
SIMD_INLINE void depthwise_pixel(const apusk_depthwise *d, int64_t pixel, int64_t c, int64_t n) {
  vf sum = vzero();
  const float *w = d->w + c;
  for (int64_t ky = 0; ky < d->kh; ky++) {
    bool exists = ky >= d->first_row && ky < d->end_row;
    for (int64_t kx = 0; kx < d->kw; kx++) {
      int64_t column = pixel * d->stride + kx * d->dilation;
      vf x = vzero();
      if (exists && column >= d->first_column && column < d->end_column) {
        const float *at = d->x + (d->origin + ky * d->x_row + column * d->x_pixel + c);
        x = n == VL ? vload(at) : vload_n(at, n);
      }
      sum = vfma(x, n == VL ? vload(w) : vload_n(w, n), sum);
      w += d->w_tap;
    }
  }
  sum = vadd(sum, depthwise_bias(d->bias, c, n));
  sum = vlower(vraise(sum, vset1(d->low)), vset1(d->high));
  float *y = d->y + pixel * d->y_pixel + c;
  if (n == VL) {
    vstore(y, sum);
  } else {
    vstore_n(y, sum, n);
  }
}

SIMD_TARGET static void depthwise_row(const apusk_depthwise *d) {
  for (int64_t pixel = 0; pixel < d->pixels; pixel++) {
    int64_t c = 0;
    for (; c + VL <= d->channels; c += VL) depthwise_pixel(d, pixel, c, VL);
    if (c < d->channels) depthwise_pixel(d, pixel, c, d->channels - c);
  }
}

#if VL > 1
SIMD_INLINE void depthwise_seven(const apusk_depthwise_seven *d, const int kw, const int stride) {
  const int columns = (APUSK_DEPTHWISE_PIXELS - 1) * stride + kw;
  const int64_t w_tap = d->w_tap, y_pixel = d->y_pixel, channels = d->channels;
  const vf low = vset1(d->low), high = vset1(d->high);
  for (int64_t c = 0; c < channels; c += VL) {
    if (c + VL > channels) c = channels - VL;  // some channels a second time rather than a shorter vector
    vf sums[APUSK_DEPTHWISE_PIXELS];
    SIMD_UNROLL for (int i = 0; i < APUSK_DEPTHWISE_PIXELS; i++) sums[i] = vzero();
    const float *w = d->w + c;
    const float *const *column = d->columns;
    const int64_t at = d->shift + c;
    for (int64_t ky = d->kh; ky > 0; ky--) {
      vf weights[7];
      SIMD_UNROLL for (int kx = 0; kx < kw; kx++) {
        weights[kx] = vload(w);
        w += w_tap;
      }
      SIMD_UNROLL for (int j = 0; j < columns; j++) {
        vf x = vload(column[j] + at);
        SIMD_UNROLL for (int i = 0; i < APUSK_DEPTHWISE_PIXELS; i++) {
          const int kx = j - i * stride;
          if (kx >= 0 && kx < kw) sums[i] = vfma(x, weights[kx], sums[i]);
        }
      }
      column += columns;
    }
    const vf bias = depthwise_bias(d->bias, c, VL);
    float *y = d->y + c;
    SIMD_UNROLL for (int i = 0; i < APUSK_DEPTHWISE_PIXELS; i++) {
      if (i < d->pixels) vstore(y, vlower(vraise(vadd(sums[i], bias), low), high));
      y += y_pixel;
    }
  }
}

#define DEPTHWISE_SEVEN(kw, stride)                                                      \
  SIMD_TARGET static void depthwise_##kw##_##stride(const apusk_depthwise_seven *seven) { \
    depthwise_seven(seven, kw, stride);                                                  \
  }
DEPTHWISE_SEVEN(3, 1)
DEPTHWISE_SEVEN(3, 2)
DEPTHWISE_SEVEN(5, 1)
DEPTHWISE_SEVEN(5, 2)
DEPTHWISE_SEVEN(7, 1)

#define DEPTHWISE_SEVENS {depthwise_3_1, depthwise_3_2, depthwise_5_1, depthwise_5_2, depthwise_7_1}
#else
#define DEPTHWISE_SEVENS {NULL}
#endif
