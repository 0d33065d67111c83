// Template: rows of floats as uint8, each with the scale and zero point of its own range; see apusk_quantize.h.
#include "../math/vectors.h"
#include "dynamic_level.h"

typedef uint8_t u8x16 __attribute__((ext_vector_type(16)));

static void range_of(const float *x, int64_t count, float *scale, uint8_t *zero) {
  f32x16 low = splat(0.0f), high = low, low2 = low, high2 = low;
  int64_t i = 0;
  for (; i + 2 * APUSK_LANES <= count; i += 2 * APUSK_LANES) {
    const f32x16 v = load16(x + i), v2 = load16(x + i + APUSK_LANES);
    low = v < low ? v : low;
    high = v > high ? v : high;
    low2 = v2 < low2 ? v2 : low2;
    high2 = v2 > high2 ? v2 : high2;
  }
  for (; i < count; i += APUSK_LANES) {
    const f32x16 v = count - i >= APUSK_LANES ? load16(x + i) : load_part(x + i, count - i);
    low = v < low ? v : low;
    high = v > high ? v : high;
  }
  low = low2 < low ? low2 : low;
  high = high2 > high ? high2 : high;
  float lowest = 0.0f, highest = 0.0f;
  for (int lane = 0; lane < APUSK_LANES; lane++) {
    lowest = low[lane] < lowest ? low[lane] : lowest;
    highest = high[lane] > highest ? high[lane] : highest;
  }
  *scale = (lowest == highest ? 1.0f : highest - lowest) / 255.0f;
  float point = -lowest / *scale;
  point = point < 0.0f ? 0.0f : point > 255.0f ? 255.0f : point;
  *zero = point == point ? (uint8_t)rintf(point) : 0;
}

static void quantize(const float *x, int64_t count, float scale, uint8_t zero, uint8_t *y) {
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const f32x16 low = splat(-(float)zero), high = splat(255.0f - (float)zero);
  const i32x16 base = bits_of(splat(magic)) - (int32_t)zero;
  for (; count > 0; count -= APUSK_LANES, x += APUSK_LANES, y += APUSK_LANES) {
    f32x16 v = (count >= APUSK_LANES ? load16(x) : load_part(x, count)) / scale;
    v = v < low ? low : v;
    v = v > high ? high : v;
    v = v == v ? v : 0.0f;
    const u8x16 bytes = __builtin_convertvector(bits_of(v + magic) - base, u8x16);
    if (count >= APUSK_LANES) {
      __builtin_memcpy(y, &bytes, sizeof bytes);
    } else {
      __builtin_memcpy(y, &bytes, (size_t)count);
    }
  }
}

static int32_t range(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_dynamic_quantize_args *args = args_;
  (void)worker;
  if (begin < end) range_of(args->x, args->columns, args->scale, args->zero);
  return 0;
}

static int32_t rows(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_dynamic_quantize_args *args = args_;
  (void)worker;
  for (int64_t unit = begin; unit < end; unit++) {
    const int64_t at = unit * args->columns;
    range_of(args->x + at, args->columns, args->scale + unit, args->zero + unit);
    quantize(args->x + at, args->columns, args->scale[unit], args->zero[unit], args->y + at);
  }
  return 0;
}

static int32_t pieces(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_dynamic_quantize_args *args = args_;
  (void)worker;
  const int64_t first = begin * APUSK_DYNAMIC_PIECE;
  int64_t last = end * APUSK_DYNAMIC_PIECE;
  if (last > args->columns) last = args->columns;
  if (first < last) quantize(args->x + first, last - first, *args->scale, *args->zero, args->y + first);
  return 0;
}

const apusk_dynamic_level APUSK_ISA_NAME(apusk_dynamic) = {.range = range, .rows = rows, .pieces = pieces};
