// Template: operators on 8-bit integers. A signed byte is loaded as the unsigned one 128 above it.
#include "../math/vectors.h"

typedef uint8_t u8x16 __attribute__((ext_vector_type(16)));
typedef uint8_t u8x64 __attribute__((ext_vector_type(64)));

APUSK_INLINE u8x16 load_bytes(const uint8_t *p, int64_t n) {
  u8x16 v = 0;
  if (n >= APUSK_LANES) {
    __builtin_memcpy(&v, p, sizeof v);
  } else {
    memcpy(&v, p, (size_t)n);
  }
  return v;
}

APUSK_INLINE void store_bytes(uint8_t *p, u8x16 v, int64_t n) {
  if (n >= APUSK_LANES) {
    __builtin_memcpy(p, &v, sizeof v);
  } else {
    memcpy(p, &v, (size_t)n);
  }
}

APUSK_INLINE i32x16 widened(u8x16 v) { return __builtin_convertvector(v, i32x16); }
APUSK_INLINE f32x16 float_of(i32x16 v) { return __builtin_convertvector(v, f32x16); }

// clamp(roundTiesToEven(v) + zero, low, high). The bounds are whole numbers: to clamp first is the same, and leaves numbers that
// adding 1.5 * 2^23 rounds.
APUSK_INLINE u8x16 quantized(f32x16 v, const apusk_quantized_result *result) {
  f32x16 low = splat((float)(result->low - result->zero)), high = splat((float)(result->high - result->zero));
  v = v > low ? v : low;
  v = v < high ? v : high;
  i32x16 q = bits_of(v + splat(0x1.8p23f)) + (i32x16)(result->zero - 0x4b400000);
  return __builtin_convertvector(q, u8x16);
}

// ---- maps of bytes --------------------------------------------------------------------------------------------------------

static int32_t byte_table(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_byte_table_args *args = args_;
  (void)worker;
  const uint8_t *table = args->table;
  for (int64_t row = begin; row < end; row++) {
    const uint8_t *x = (const uint8_t *)args->input + row * args->input_row_bytes;
    uint8_t *y = (uint8_t *)args->output + row * args->output_row_bytes;
    int64_t rest = args->bytes - row * args->block, count = rest < args->block ? rest : args->block;
    for (int64_t i = 0; i < count; i++) y[i] = table[x[i]];
  }
  return 0;
}

// ---- sums and products ----------------------------------------------------------------------------------------------------

// The third operand is the argument block, the same for all elements.
static int64_t binary_row(void *output, const void *const *operands, const int64_t *steps, int64_t count) {
  const uint8_t *a = operands[0], *b = operands[1];
  const apusk_quantized_binary_args *args = operands[2];
  const u8x16 a_flip = (u8x16)(uint8_t)(args->a_is_signed ? 128 : 0), b_flip = (u8x16)(uint8_t)(args->b_is_signed ? 128 : 0);
  const i32x16 a_zero = (i32x16)(args->a_zero + (args->a_is_signed ? 128 : 0));
  const i32x16 b_zero = (i32x16)(args->b_zero + (args->b_is_signed ? 128 : 0));
  const f32x16 a_factor = splat(args->a_factor), b_factor = splat(args->b_factor);
  for (int64_t i = 0; i < count; i += APUSK_LANES) {
    int64_t n = count - i;
    u8x16 x = steps[0] ? load_bytes(a + i, n) : (u8x16)*a, y = steps[1] ? load_bytes(b + i, n) : (u8x16)*b;
    i32x16 p = widened(x ^ a_flip) - a_zero, q = widened(y ^ b_flip) - b_zero;
    f32x16 v = args->is_product ? float_of(p * q) * a_factor : float_of(p) * a_factor + float_of(q) * b_factor;
    store_bytes((uint8_t *)output + i, quantized(v, &args->result), n);
  }
  return -1;
}

static int32_t binary(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_quantized_binary_args *args = args_;
  (void)worker;
  if (begin >= end) return 0;
  const int64_t same[APUSK_MAX_RANK] = {0};
  apusk_broadcast broadcast = {
      .rank = args->shape.rank,
      .operands = 3,
      .shape = args->shape.shape,
      .base = {args->shape.a, args->shape.b, args},
      .strides = {args->shape.a_strides, args->shape.b_strides, same},
      .bytes = {1, 1, 0},
      .output = args->shape.output,
      .output_bytes = 1,
  };
  apusk_broadcast_walk(&broadcast, begin, end, binary_row);
  return 0;
}

// ---- pooling --------------------------------------------------------------------------------------------------------------

// The input pixels of one output pixel: `rows` x `columns` from `corner` on.
typedef struct byte_window {
  const uint8_t *corner, *end;  // end: of the whole input
  int64_t rows, columns, row_step, column_step;
} byte_window;

// The first n of 16 bytes; what comes after them is the next pixel's, where there is one.
APUSK_INLINE u8x16 load_pixel(const byte_window *window, const uint8_t *p, int64_t n) {
  return load_bytes(p, window->end - p >= APUSK_LANES ? APUSK_LANES : n);
}

APUSK_INLINE u8x64 maximum_of_64(const byte_window *window, int64_t c, u8x64 flip) {
  u8x64 most = 0;
  for (int64_t i = 0; i < window->rows; i++) {
    const uint8_t *p = window->corner + i * window->row_step + c;
    for (int64_t j = 0; j < window->columns; j++, p += window->column_step) {
      u8x64 x;
      __builtin_memcpy(&x, p, sizeof x);
      x ^= flip;
      most = x > most ? x : most;
    }
  }
  return most ^ flip;
}

APUSK_INLINE u8x16 maximum_of_16(const byte_window *window, int64_t c, int64_t n, u8x16 flip) {
  u8x16 most = 0;
  for (int64_t i = 0; i < window->rows; i++) {
    const uint8_t *p = window->corner + i * window->row_step + c;
    for (int64_t j = 0; j < window->columns; j++, p += window->column_step) {
      u8x16 x = load_pixel(window, p, n) ^ flip;
      most = x > most ? x : most;
    }
  }
  return most ^ flip;
}

APUSK_INLINE i32x16 sum_of_16(const byte_window *window, int64_t c, int64_t n, u8x16 flip) {
  i32x16 sum = 0;
  for (int64_t i = 0; i < window->rows; i++) {
    const uint8_t *p = window->corner + i * window->row_step + c;
    for (int64_t j = 0; j < window->columns; j++, p += window->column_step) sum += widened(load_pixel(window, p, n) ^ flip);
  }
  return sum;
}

static void pool_group(
    const apusk_quantized_pool_args *args, const byte_window *window, uint8_t *output, int64_t c, int64_t end, int64_t room,
    int64_t count) {
  const uint8_t flip = args->is_signed ? 128 : 0;
  if (args->function == APUSK_POOL_MAX) {
    for (; c + 64 <= end; c += 64) {
      u8x64 most = maximum_of_64(window, c, (u8x64)flip);
      __builtin_memcpy(output + c, &most, sizeof most);
    }
    for (; c < end; c += APUSK_LANES) {
      // What is too much is written over by the next pixel.
      store_bytes(output + c, maximum_of_16(window, c, end - c, (u8x16)flip), room - c >= APUSK_LANES ? APUSK_LANES : end - c);
    }
    return;
  }
  const i32x16 zeros = (i32x16)(int32_t)(window->rows * window->columns * (args->x_zero + flip));
  const f32x16 factor = splat(args->x_scale / ((float)count * args->scale));
  for (; c < end; c += APUSK_LANES) {
    f32x16 v = float_of(sum_of_16(window, c, end - c, (u8x16)flip) - zeros) * factor;
    store_bytes(output + c, quantized(v, &args->result), end - c);
  }
}

static int32_t pool(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_quantized_pool_args *args = args_;
  const apusk_pool_args *shape = &args->window;
  (void)worker;
  if (begin >= end) return 0;
  int64_t group = begin % args->groups, pixel = begin / args->groups, column = pixel % shape->output_width;
  int64_t row = pixel / shape->output_width % shape->output_height;
  int64_t image = pixel / shape->output_width / shape->output_height;
  // Bytes from a pixel's first one on that the units own, where one unit is a pixel and the next one lies behind it.
  const bool follows = args->groups == 1 && shape->output_pixel_stride == shape->channels;
  const int64_t pixels = shape->batch * shape->input_height * shape->input_width;
  byte_window window = {
      .end = (const uint8_t *)args->input + (pixels - 1) * shape->input_pixel_stride + shape->channels,
      .row_step = shape->dilation_height * shape->input_width * shape->input_pixel_stride,
      .column_step = shape->dilation_width * shape->input_pixel_stride,
  };
  const int64_t channels = args->groups > 1 ? apusk_quantized_channels : shape->channels;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t top = row * shape->stride_height - shape->pad_top, left = column * shape->stride_width - shape->pad_left;
    pool_range y = positions_inside(top, shape->dilation_height, shape->kernel_height, shape->input_height);
    pool_range x = positions_inside(left, shape->dilation_width, shape->kernel_width, shape->input_width);
    window.rows = y.last - y.first;
    window.columns = x.last - x.first;
    window.corner = args->input;
    int64_t count = window.rows * window.columns;
    if (count > 0) {
      int64_t pixel_row = image * shape->input_height + top + y.first * shape->dilation_height;
      window.corner += (pixel_row * shape->input_width + left + x.first * shape->dilation_width) * shape->input_pixel_stride;
    }
    if (shape->count_include_pad) {
      // The padded image begins at -pad.
      y = positions_inside(
          top + shape->pad_top, shape->dilation_height, shape->kernel_height,
          shape->input_height + shape->pad_top + shape->pad_bottom);
      x = positions_inside(
          left + shape->pad_left, shape->dilation_width, shape->kernel_width,
          shape->input_width + shape->pad_left + shape->pad_right);
      count = (y.last - y.first) * (x.last - x.first);
    }
    int64_t first = group * channels, last = first + channels < shape->channels ? first + channels : shape->channels;
    pool_group(
        args, &window, (uint8_t *)args->output + pixel * shape->output_pixel_stride, first, last,
        follows ? (end - unit) * shape->channels : last, count > 0 ? count : 1);
    if (++group < args->groups) continue;
    group = 0;
    pixel++;
    if (++column < shape->output_width) continue;
    column = 0;
    if (++row < shape->output_height) continue;
    row = 0;
    image++;
  }
  return 0;
}

const apusk_quantized_level APUSK_ISA_NAME(apusk_quantized) = {byte_table, binary, pool};
