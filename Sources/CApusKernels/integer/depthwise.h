// Template: depthwise sums. Four rows of the kernel are a quad, so a dot product takes the four taps of each channel, and the
// quads of a column of the input, made once, serve all the output pixels that see it.
//
// A level names DEPTHWISE_VECTORS, of which it makes quads at once, and lanes_quads: those of DEPTHWISE_VECTORS * LANES channels,
// from four rows.

// Columns whose quads wait for their pixels.
#define DEPTHWISE_COLUMNS 48

// The quad of kernel rows `ky` and on of one input column; rows beyond the kernel have weights of 0 and repeat the first.
LANES_INLINE void depthwise_column(const apusk_integer_depthwise *d, const uint8_t *x, int64_t ky, lanes_a *column) {
  const int64_t left = d->kh - ky;
  x += ky * d->x_row;
  lanes_quads(x, left > 1 ? x + d->x_row : x, left > 2 ? x + 2 * d->x_row : x, left > 3 ? x + 3 * d->x_row : x,
              lanes_load(d->flip), column);
}

// One quad of rows for `pixels` pixels from their columns' quads. Sums go on from `start`, whose pixels are start_pixel apart.
// `three`: kw is 3, and the weights stay in registers.
LANES_INLINE void depthwise_pixels(const apusk_integer_depthwise *d, const lanes_a *columns, const int8_t *w,
                                   const bool three, const int64_t kw, int64_t pixels, const int32_t *start,
                                   int64_t start_pixel, int32_t *sums) {
  lanes_b weights[3][DEPTHWISE_VECTORS];
  LANES_UNROLL for (int kx = 0; three && kx < 3; kx++) {
    LANES_UNROLL for (int v = 0; v < DEPTHWISE_VECTORS; v++) weights[kx][v] = lanes_b_load(w + kx * d->w_tap + v * 4 * LANES);
  }
  const int64_t step = d->stride * DEPTHWISE_VECTORS, tap = d->dilation * DEPTHWISE_VECTORS, w_tap = d->w_tap;
  for (int64_t pixel = 0; pixel < pixels; pixel++, columns += step, start += start_pixel, sums += APUSK_INTEGER_COLUMNS) {
    lanes_int sum[DEPTHWISE_VECTORS];
    LANES_UNROLL for (int v = 0; v < DEPTHWISE_VECTORS; v++) sum[v] = lanes_load(start + v * LANES);
    LANES_UNROLL for (int kx = 0; three && kx < 3; kx++) {
      LANES_UNROLL for (int v = 0; v < DEPTHWISE_VECTORS; v++) {
        sum[v] = lanes_dot(sum[v], columns[kx * tap + v], weights[kx][v]);
      }
    }
    for (int64_t kx = 0; !three && kx < kw; kx++) {
      LANES_UNROLL for (int v = 0; v < DEPTHWISE_VECTORS; v++) {
        sum[v] = lanes_dot(sum[v], columns[kx * tap + v], lanes_b_load(w + kx * w_tap + v * 4 * LANES));
      }
    }
    LANES_UNROLL for (int v = 0; v < DEPTHWISE_VECTORS; v++) lanes_store(sums + v * LANES, sum[v]);
  }
}

// Channels c ..< c + DEPTHWISE_VECTORS * LANES.
LANES_INLINE void depthwise_channels(const apusk_integer_depthwise *d, int64_t c) {
  lanes_a columns[DEPTHWISE_COLUMNS * DEPTHWISE_VECTORS];
  // A window too wide for them is taken a column at a time.
  const bool wide = (d->kw - 1) * d->dilation >= DEPTHWISE_COLUMNS;
  const int64_t reach = wide ? 0 : (d->kw - 1) * d->dilation, most = (DEPTHWISE_COLUMNS - 1 - reach) / d->stride + 1;
  for (int64_t first = 0; first < d->pixels; first += most) {
    const int64_t pixels = d->pixels - first < most ? d->pixels - first : most;
    const int8_t *w = d->w + 4 * c;
    int32_t *sums = d->sums + first * APUSK_INTEGER_COLUMNS + c;
    const int32_t *start = d->start + c;
    int64_t start_pixel = 0;
    for (int64_t ky = 0; ky < d->kh; ky += 4, w += d->kw * d->w_tap) {
      const uint8_t *x = d->x + first * d->stride * d->x_pixel + c;
      if (wide) {
        for (int64_t pixel = 0; pixel < pixels; pixel++) {
          for (int64_t kx = 0; kx < d->kw; kx++) {
            const bool begins = ky == 0 && kx == 0;
            int32_t *at = sums + pixel * APUSK_INTEGER_COLUMNS;
            depthwise_column(d, x + (pixel * d->stride + kx * d->dilation) * d->x_pixel, ky, columns);
            depthwise_pixels(d, columns, w + kx * d->w_tap, false, 1, 1, begins ? start : at, 0, at);
          }
        }
        continue;
      }
      const int64_t count = (pixels - 1) * d->stride + reach + 1;
      for (int64_t i = 0; i < count; i++) depthwise_column(d, x + i * d->x_pixel, ky, columns + i * DEPTHWISE_VECTORS);
      if (d->kw == 3) {
        depthwise_pixels(d, columns, w, true, 3, pixels, start, start_pixel, sums);
      } else {
        depthwise_pixels(d, columns, w, false, d->kw, pixels, start, start_pixel, sums);
      }
      start = sums;
      start_pixel = APUSK_INTEGER_COLUMNS;
    }
  }
}

LANES_TARGET static void depthwise(const apusk_integer_depthwise *d) {
  for (int64_t c = 0; c < d->channels; c += DEPTHWISE_VECTORS * LANES) depthwise_channels(d, c);
}
