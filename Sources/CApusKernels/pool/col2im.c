// Col2Im: windows summed back into images.
#include <stddef.h>
#include <string.h>

#include "../include/apusk_element_type.h"
#include "../include/apusk_pool_nd.h"

#pragma clang fp contract(off)

// Adds the elements of one row of positions along the last axis, those inside the image.
#define ADD_ROW(name, type)                                                                                        \
  static void name(void *image, const void *column, int64_t first, int64_t end, int64_t stride) {                  \
    type *target = image;                                                                                          \
    const type *source = column;                                                                                   \
    for (int64_t l = first; l < end; l++) target[l * stride] += source[l];                                         \
  }

ADD_ROW(add_f32, float)
ADD_ROW(add_f64, double)
ADD_ROW(add_i32, uint32_t)
ADD_ROW(add_i64, uint64_t)

typedef void (*row_function)(void *image, const void *column, int64_t first, int64_t end, int64_t stride);

static row_function row_of(int32_t type, int64_t *element_bytes) {
  *element_bytes = type == APUSK_FLOAT64 || type == APUSK_INT64 ? 8 : 4;
  switch (type) {
    case APUSK_FLOAT32: return add_f32;
    case APUSK_FLOAT64: return add_f64;
    case APUSK_INT32: return add_i32;
    case APUSK_INT64: return add_i64;
    default: return NULL;
  }
}

static int32_t run(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  const apusk_col2im_args *args = args_;
  int64_t bytes, image = 1, taps = 1, rows = 1;
  row_function add = row_of(args->element_type, &bytes);
  int32_t last = args->axes - 1;
  for (int32_t a = 0; a < args->axes; a++) {
    image *= args->axis[a].output;
    taps *= args->axis[a].kernel;
    if (a < last) rows *= args->axis[a].input;
  }
  const apusk_pool_axis *inner = &args->axis[last];
  for (int64_t plane = begin; plane < end; plane++) {
    char *target = (char *)args->output + plane * image * bytes;
    const char *source = (const char *)args->input + plane * taps * rows * inner->input * bytes;
    memset(target, 0, (size_t)(image * bytes));
    for (int64_t tap = 0; tap < taps; tap++) {
      // Along the last axis: positions l with 0 <= start + l * stride < extent.
      int64_t start = tap % inner->kernel * inner->dilation - inner->pad_begin;
      int64_t first = start < 0 ? (-start + inner->stride - 1) / inner->stride : 0;
      int64_t behind = inner->output > start ? (inner->output - start + inner->stride - 1) / inner->stride : 0;
      if (behind > inner->input) behind = inner->input;
      for (int64_t row = 0; row < rows; row++, source += inner->input * bytes) {
        int64_t rest = row, block = tap / inner->kernel, offset = 0, stride = inner->output;
        int inside = first < behind;
        for (int32_t a = last - 1; a >= 0; a--) {
          const apusk_pool_axis *axis = &args->axis[a];
          int64_t place =
              rest % axis->input * axis->stride - axis->pad_begin + block % axis->kernel * axis->dilation;
          rest /= axis->input;
          block /= axis->kernel;
          inside = inside && place >= 0 && place < axis->output;
          offset += place * stride;
          stride *= axis->output;
        }
        if (inside) add(target + (offset + start) * bytes, source, first, behind, inner->stride);
      }
    }
  }
  return 0;
}

int32_t apusk_col2im_plan(const apusk_col2im_args *args, apusk_plan *plan) {
  int64_t bytes, columns, image, most = INT64_MAX / 64;
  *plan = (apusk_plan){.kernel = run, .units = args->planes, .grain = 1};
  if (args->axes < 1 || args->axes > APUSK_POOL_MAX_AXES || args->planes < 0 || !row_of(args->element_type, &bytes)) return 100;
  columns = image = args->planes;
  for (int32_t a = 0; a < args->axes; a++) {
    const apusk_pool_axis *axis = &args->axis[a];
    const int64_t sizes[] = {axis->input, axis->output, axis->pad_begin, axis->pad_end};
    const int64_t steps[] = {axis->kernel, axis->stride, axis->dilation};
    for (size_t i = 0; i < 4; i++) {
      if (sizes[i] < 0 || sizes[i] > INT32_MAX) return 100;
    }
    for (size_t i = 0; i < 3; i++) {
      if (steps[i] < 1 || steps[i] > INT32_MAX) return 100;
    }
    if (__builtin_mul_overflow(columns, axis->input, &columns) || __builtin_mul_overflow(columns, axis->kernel, &columns) ||
        __builtin_mul_overflow(image, axis->output, &image) || columns > most || image > most) {
      return 301;
    }
  }
  return 0;
}
