// Template over a simd_*.h: pixels of a depthwise convolution, up to 4 pixels and 2 vectors of channels at a time.
#include "conv_isa.h"

#define DEPTHWISE_EACH(expression)                                                   \
  SIMD_UNROLL for (int i = 0; i < pixels; i++) {                                \
    SIMD_UNROLL for (int v = 0; v < vectors; v++) {                             \
      vf s = sums[i][v];                                                             \
      sums[i][v] = (expression);                                                     \
    }                                                                                \
  }

SIMD_INLINE void depthwise_tail(const apusk_depthwise *d, vf sums[4][2], int64_t c, const int pixels,
                                const int vectors, int64_t n) {
  const apusk_tail *tail = d->tail;
  vf alpha = vset1(tail->alpha), beta = vset1(tail->beta);
  if (d->bias) {
    vf bias[2];
    SIMD_UNROLL for (int v = 0; v < vectors; v++) {
      bias[v] = n == VL ? vload(d->bias + c + v * VL) : vload_n(d->bias + c, n);
    }
    DEPTHWISE_EACH(vadd(s, bias[v]))
  }
  switch (tail->activation) {
    case APUSK_ACTIVATION_RELU:
      DEPTHWISE_EACH(vraise(s, vzero()))
      break;
    case APUSK_ACTIVATION_LEAKY_RELU:
      DEPTHWISE_EACH(vif_less(s, vzero(), vmul(alpha, s), s))
      break;
    case APUSK_ACTIVATION_CLIP:
      DEPTHWISE_EACH(vlower(vraise(s, alpha), beta))
      break;
    default:
      break;
  }
}

// `n` lanes of each of `vectors` vectors from channel c on; n < VL with one vector only.
SIMD_INLINE void depthwise_block(const apusk_depthwise *d, int64_t pixel, int64_t c, const int pixels,
                                 const int vectors, int64_t n) {
  vf sums[4][2];
  SIMD_UNROLL for (int i = 0; i < pixels; i++) {
    SIMD_UNROLL for (int v = 0; v < vectors; v++) sums[i][v] = vzero();
  }
  const float *w = d->w + c;
  int64_t x_pixel = d->x_pixel;
  for (int64_t ky = 0; ky < d->kh; ky++) {
    const float *x = d->x + pixel * x_pixel + ky * d->x_y + c;
    for (int64_t kx = 0; kx < d->kw; kx++) {
      SIMD_UNROLL for (int v = 0; v < vectors; v++) {
        vf weight = n == VL ? vload(w + v * VL) : vload_n(w, n);
        SIMD_UNROLL for (int i = 0; i < pixels; i++) {
          const float *at = x + i * x_pixel + v * VL;
          sums[i][v] = vfma(n == VL ? vload(at) : vload_n(at, n), weight, sums[i][v]);
        }
      }
      x += d->x_x;
      w += d->w_tap;
    }
  }
  if (d->tail) depthwise_tail(d, sums, c, pixels, vectors, n);
  SIMD_UNROLL for (int i = 0; i < pixels; i++) {
    float *y = d->y + (pixel + i) * d->y_pixel + c;
    SIMD_UNROLL for (int v = 0; v < vectors; v++) {
      if (n == VL) {
        vstore(y + v * VL, sums[i][v]);
      } else {
        vstore_n(y, sums[i][v], n);
      }
    }
  }
}

SIMD_INLINE void depthwise_channels(const apusk_depthwise *d, int64_t pixel, const int pixels) {
  int64_t c = 0;
  for (; c + 2 * VL <= d->channels; c += 2 * VL) depthwise_block(d, pixel, c, pixels, 2, VL);
  if (c + VL <= d->channels) {
    depthwise_block(d, pixel, c, pixels, 1, VL);
    c += VL;
  }
  if (c < d->channels) depthwise_block(d, pixel, c, pixels, 1, d->channels - c);
}

SIMD_TARGET static void depthwise_pixels(const apusk_depthwise *d) {
  int64_t pixel = 0;
  for (; pixel + 4 <= d->pixels; pixel += 4) depthwise_channels(d, pixel, 4);
  if (pixel + 2 <= d->pixels) {
    depthwise_channels(d, pixel, 2);
    pixel += 2;
  }
  if (pixel < d->pixels) depthwise_channels(d, pixel, 1);
}
