// Template over a simd_*.h: rows of convolutions with one input channel and up to 8 output channels, the first layer of
// networks for grey images. Few output channels do not fill the lanes of a vector: lanes are pixels side by side here. Maxima of
// 2x2 pixels are taken of the sums while they lie in registers.
#include "conv_isa.h"

// Channels c ..< c + n of the vectors of pixels from first and second on; each sum in the order ky, kx. The sums of three
// channels, of two vectors of two rows, with weights and a vector of pixels, fit 16 registers.
SIMD_INLINE void lone_tile(const apusk_lone_rows *r, int64_t first, int64_t second, int64_t c, const int n) {
  vf sums[3][4];  // first and second of a row, then of the next
  SIMD_UNROLL for (int i = 0; i < n; i++) {
    SIMD_UNROLL for (int k = 0; k < 4; k++) sums[i][k] = vzero();
  }
  const float *w = r->w + c, *rows = r->x + first;
  const int64_t places[4] = {0, second - first, r->x_row, r->x_row + second - first};
  for (int64_t ky = 0; ky < r->kh; ky++) {
    for (const float *x = rows; x < rows + r->kw; x++) {
      vf weights[3];
      SIMD_UNROLL for (int i = 0; i < n; i++) weights[i] = vset1(w[i]);
      SIMD_UNROLL for (int k = 0; k < 4; k++) {
        const vf pixels = vload(x + places[k]);
        SIMD_UNROLL for (int i = 0; i < n; i++) sums[i][k] = vfma(pixels, weights[i], sums[i][k]);
      }
      w += 8;
    }
    rows += r->x_tap;
  }
  const vf low = vset1(r->low), high = vset1(r->high);
  SIMD_UNROLL for (int i = 0; i < n; i++) {
    const vf bias = vset1(r->bias && c + i < r->channels ? r->bias[c + i] : -0.0f);  // v + -0 is v, whatever v is
    float *plane = r->planes + (c + i) * r->plane;
    vf v[4];
    SIMD_UNROLL for (int k = 0; k < 4; k++) v[k] = vlower(vraise(vadd(sums[i][k], bias), low), high);
    if (r->pool) {
      const vf most = vmost(vmost(vevens(v[0], v[1]), vodds(v[0], v[1])), vmost(vevens(v[2], v[3]), vodds(v[2], v[3])));
      vstore_halves(plane + first / 2, plane + second / 2, most);
    } else {
      SIMD_UNROLL for (int k = 0; k < 4; k++) vstore(plane + (k >> 1) * r->pixels + (k & 1 ? second : first), v[k]);
    }
  }
}

SIMD_TARGET static void lone_rows(const apusk_lone_rows *r) {
  const int64_t last = (r->pool ? r->pixels & ~(int64_t)1 : r->pixels) - VL;
  for (int64_t pixel = 0; pixel < last + VL; pixel += 2 * VL) {
    // The last ones overlap those before them.
    const int64_t first = pixel < last ? pixel : last, second = pixel + VL < last ? pixel + VL : last;
    int64_t c = 0;
    for (; r->channels - c == 3 || r->channels - c > 4; c += 3) lone_tile(r, first, second, c, 3);
    for (; c < r->channels; c += 2) lone_tile(r, first, second, c, 2);
  }
}
