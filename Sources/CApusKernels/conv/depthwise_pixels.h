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

SIMD_TARGET static void scale_rows(float *x, int64_t rows, int64_t stride, const float *scale, int64_t count) {
  for (int64_t row = 0; row < rows; row++, x += stride) {
    int64_t i = 0;
    for (; i + VL <= count; i += VL) vstore(x + i, vmul(vload(x + i), vload(scale + i)));
    if (i < count) vstore_n(x + i, vmul(vload_n(x + i, count - i), vload_n(scale + i, count - i)), count - i);
  }
}

// Channel number `channel` of the group of each lane, from the input channels beside c on.
SIMD_INLINE vf depthwise_group_input(const float *x, vf input, int64_t c, int64_t group, int64_t channel) {
#if VL == 1
  (void)input;
  return x[channel - c % group];
#else
  (void)x, (void)c;
  return vfrom_group(input, group, channel);
#endif
}

SIMD_INLINE void depthwise_seven(const apusk_depthwise_seven *d, int64_t seven, const int kw, const int stride,
                                 const bool grouped) {
  const int columns = (APUSK_DEPTHWISE_PIXELS - 1) * stride + kw;
  const int64_t w_tap = d->w_tap, y_pixel = d->y_pixel, channels = d->channels, group = grouped ? d->group : 1;
  const int64_t pixels = d->pixels - seven * APUSK_DEPTHWISE_PIXELS, shift = seven * d->shift;
  const vf low = vset1(d->low), high = vset1(d->high);
  for (int64_t c = 0; c < channels; c += VL) {
    if (c + VL > channels) c = channels - VL;  // some channels a second time rather than a shorter vector
    vf sums[APUSK_DEPTHWISE_PIXELS];
    SIMD_UNROLL for (int i = 0; i < APUSK_DEPTHWISE_PIXELS; i++) sums[i] = vzero();
    const float *w = d->w + c;
    const float *const *column = d->columns;
    const int64_t at = shift + c;
    for (int64_t ky = d->kh; ky > 0; ky--) {
      vf weights[7];
      SIMD_UNROLL for (int kx = 0; kx < kw && !grouped; kx++) weights[kx] = vload(w + kx * w_tap);
      SIMD_UNROLL for (int j = 0; j < columns; j++) {
        const float *input = column[j] + at;
        vf x = vload(input);
        if (!grouped) {
          SIMD_UNROLL for (int i = 0; i < APUSK_DEPTHWISE_PIXELS; i++) {
            const int kx = j - i * stride;
            if (kx >= 0 && kx < kw) sums[i] = vfma(x, weights[kx], sums[i]);
          }
          continue;
        }
        for (int64_t channel = 0; channel < group; channel++) {
          vf value = depthwise_group_input(input, x, c, group, channel);
          SIMD_UNROLL for (int i = 0; i < APUSK_DEPTHWISE_PIXELS; i++) {
            const int kx = j - i * stride;
            if (kx >= 0 && kx < kw) sums[i] = vfma(value, vload(w + (kx * group + channel) * w_tap), sums[i]);
          }
        }
      }
      column += columns;
      w += kw * group * w_tap;
    }
    const vf bias = depthwise_bias(d->bias, c, VL);
    float *y = d->y + seven * APUSK_DEPTHWISE_PIXELS * y_pixel + c;
    SIMD_UNROLL for (int i = 0; i < APUSK_DEPTHWISE_PIXELS; i++) {
      if (i < pixels) vstore(y, vlower(vraise(vadd(sums[i], bias), low), high));
      y += y_pixel;
    }
  }
}

#define DEPTHWISE_SEVEN(name, kw, stride, grouped)                                                             \
  SIMD_TARGET static void name##_##kw##_##stride(const apusk_depthwise_seven *d) {                             \
    for (int64_t seven = 0; seven < d->sevens; seven++) depthwise_seven(d, seven, kw, stride, grouped);         \
  }
#if VL > 1
DEPTHWISE_SEVEN(depthwise, 3, 1, false)
DEPTHWISE_SEVEN(depthwise, 3, 2, false)
DEPTHWISE_SEVEN(depthwise, 5, 1, false)
DEPTHWISE_SEVEN(depthwise, 5, 2, false)
DEPTHWISE_SEVEN(depthwise, 7, 1, false)
#define DEPTHWISE_SEVENS depthwise_3_1, depthwise_3_2, depthwise_5_1, depthwise_5_2, depthwise_7_1
#else
#define DEPTHWISE_SEVENS NULL, NULL, NULL, NULL, NULL
#endif
DEPTHWISE_SEVEN(grouped, 3, 1, true)
DEPTHWISE_SEVEN(grouped, 3, 2, true)
