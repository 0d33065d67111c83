// Maximum pooling of images of few channels, 8 bits each, over two axes: sixteen channels at a time, windows in order.
#include <string.h>

#include "pool_nd.h"

typedef uint8_t bytes16 __attribute__((vector_size(16)));

bool apusk_pool_bytes_fits(const apusk_pool_nd_args *args) {
  return (args->element_type == APUSK_INT8 || args->element_type == APUSK_UINT8) && args->function == APUSK_POOL_ND_MAX &&
         !args->indices && args->axes == 2 && args->channels <= POOL_CHANNELS;
}

// Positions of a window that begins at `start` which lie in the image.
typedef struct span {
  int64_t first, count;
} span;

static span span_of(const apusk_pool_axis *axis, int64_t start) {
  if (start >= 0 && start + (axis->kernel - 1) * axis->dilation < axis->input) return (span){start, axis->kernel};
  int64_t before = start < 0 ? (-start + axis->dilation - 1) / axis->dilation : 0, count = axis->kernel;
  if (start + (count - 1) * axis->dilation >= axis->input) {
    count = axis->input > start ? (axis->input - start + axis->dilation - 1) / axis->dilation : 0;
  }
  return (span){start + before * axis->dilation, count > before ? count - before : 0};
}

int32_t apusk_pool_bytes(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  const apusk_pool_nd_args *args = args_;
  const apusk_pool_axis *rows = &args->axis[0], *columns = &args->axis[1];
  const int64_t channels = args->channels, image = rows->input * columns->input * channels;
  const uint8_t *const input = args->input, *const input_end = input + args->batch * image;
  uint8_t *output = (uint8_t *)args->output + begin * channels, *const output_end = (uint8_t *)args->output + end * channels;
  // Signed bytes compare as unsigned ones with their sign bit turned over.
  const bytes16 flip = (bytes16){0} + (uint8_t)(args->element_type == APUSK_INT8 ? 0x80 : 0);
  int64_t column = begin % columns->output, row = begin / columns->output % rows->output;
  const uint8_t *plane = input + begin / columns->output / rows->output * image;
  const int64_t row_step = rows->dilation * columns->input * channels, column_step = columns->dilation * channels;
  span y = span_of(rows, row * rows->stride - rows->pad_begin);
  for (int64_t unit = begin; unit < end; unit++, output += channels) {
    const span x = span_of(columns, column * columns->stride - columns->pad_begin);
    const uint8_t *const corner = plane + (y.first * columns->input + x.first) * channels;
    for (int64_t c = 0; c < channels; c += 16) {
      bytes16 largest = {0};
      const uint8_t *line = corner + c;
      for (int64_t i = y.count; i > 0; i--, line += row_step) {
        const uint8_t *pixel = line;
        for (int64_t j = x.count; j > 0; j--, pixel += column_step) {
          bytes16 value = {0};
          // Bytes of the next pixel come along where there are some.
          if (input_end - pixel >= 16) {
            memcpy(&value, pixel, 16);
          } else {
            memcpy(&value, pixel, (size_t)(input_end - pixel));
          }
          largest = __builtin_elementwise_max(largest, value ^ flip);
        }
      }
      largest ^= flip;
      // What is too much is written over by the next pixel.
      if (output_end - output - c >= 16) {
        memcpy(output + c, &largest, 16);
      } else {
        memcpy(output + c, &largest, (size_t)(channels - c < 16 ? channels - c : 16));
      }
    }
    if (++column < columns->output) continue;
    column = 0;
    if (++row == rows->output) {
      row = 0;
      plane += image;
    }
    y = span_of(rows, row * rows->stride - rows->pad_begin);
  }
  return 0;
}
