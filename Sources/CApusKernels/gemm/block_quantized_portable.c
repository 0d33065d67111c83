// A column of block-quantized weights is made floats once and meets every row of A; see apusk_block_quantized.h.
#include "../include/apusk_block_quantized.h"
#include "../math/isa_portable.h"
#include "../math/vectors.h"

static int32_t element_of(const uint8_t *bytes, int64_t index, int32_t bits) {
  int64_t bit = index * bits;
  return bytes[bit / 8] >> (bit % 8) & ((1 << bits) - 1);
}

static void dequantize_column(const apusk_block_quantized_args *args, int64_t column, float *w) {
  int64_t block = args->block, blocks = args->k / block + (args->k % block != 0), bits = args->bits;
  const uint8_t *q = args->q + column * blocks * (block * bits / 8);
  const uint8_t *zeros = args->zero_points ? args->zero_points + column * ((blocks * bits + 7) / 8) : NULL;
  for (int64_t b = 0; b < blocks; b++, q += block * bits / 8) {
    float scale = args->scales[column * blocks + b], zero = (float)(1 << (bits - 1));
    if (zeros) zero = (float)element_of(zeros, b, args->bits);
    if (args->float_zeros) zero = args->float_zeros[column * blocks + b];
    int64_t first = b * block, count = args->k - first < block ? args->k - first : block;
    if (bits == 8) {
      for (int64_t i = 0; i < count; i++) w[first + i] = ((float)q[i] - zero) * scale;
    } else if (bits == 4) {
      for (int64_t i = 0; i + 1 < count; i += 2) {
        w[first + i] = ((float)(q[i / 2] & 15) - zero) * scale;
        w[first + i + 1] = ((float)(q[i / 2] >> 4) - zero) * scale;
      }
      if (count % 2) w[first + count - 1] = ((float)(q[count / 2] & 15) - zero) * scale;
    } else {
      for (int64_t i = 0; i < count; i++) w[first + i] = ((float)element_of(q, i, args->bits) - zero) * scale;
    }
  }
}

static float dot(const float *a, const float *b, int64_t n) {
  f32x16 lanes = splat(0.0f);
  int64_t i = 0;
  for (; i + APUSK_LANES <= n; i += APUSK_LANES) lanes += load16(a + i) * load16(b + i);
  if (i < n) lanes += replace_rest(load_part(a + i, n - i) * load_part(b + i, n - i), n - i, 0.0f);
  return sum_of_lanes(lanes);
}

int32_t apusk_block_quantized_portable(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_block_quantized_args *args = args_;
  float *w = worker->scratch;
  for (int64_t column = begin; column < end; column++) {
    dequantize_column(args, column, w);
    for (int64_t row = 0; row < args->m; row++) {
      float sum = dot(args->a + row * args->k, w, args->k);
      args->output[row * args->n + column] = args->bias ? sum + args->bias[column] : sum;
    }
  }
  return 0;
}

#include "../math/isa_end.h"
