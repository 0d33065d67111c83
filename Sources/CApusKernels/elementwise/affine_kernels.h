// Template: y = fma(x, scale[c], shift[c]), float32.
#include "activate_array.h"

// `count` elements of one row. With channels last each has a scale and shift of its own, else they share one.
APUSK_INLINE void affine_row(
    float *output, const float *input, const float *scale, const float *shift, int64_t count, int channels_last,
    int32_t activation) {
  for (int64_t i = 0; i < count; i += APUSK_LANES) {
    int64_t n = count - i;
    f32x16 s = channels_last ? load_lanes(scale + i, n) : splat(*scale);
    f32x16 t = channels_last ? load_lanes(shift + i, n) : splat(*shift);
    store_lanes(output + i, activate16(fma16(load_lanes(input + i, n), s, t), activation, 0, 0), n);
  }
}

APUSK_INLINE void affine_elements(const apusk_affine_args *args, int64_t begin, int64_t end, int32_t activation) {
  int channels_last = args->inner == 1;
  int64_t length = channels_last ? args->channels : args->inner;  // of a row
  int64_t column = begin % length;
  int64_t channel = channels_last ? 0 : begin / length % args->channels;
  for (int64_t i = begin; i < end;) {
    int64_t count = length - column < end - i ? length - column : end - i;
    if (channels_last) {
      affine_row(args->output + i, args->input + i, args->scale + column, args->shift + column, count, 1, activation);
    } else {
      affine_row(args->output + i, args->input + i, args->scale + channel, args->shift + channel, count, 0, activation);
      channel = channel + 1 == args->channels ? 0 : channel + 1;
    }
    i += count;
    column = 0;
  }
}

static int32_t affine_f32(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_affine_args *args = args_;
  (void)worker;
  if (begin >= end) return 0;
  if (args->activation == APUSK_ACTIVATION_RELU) {
    affine_elements(args, begin, end, APUSK_ACTIVATION_RELU);
    return 0;
  }
  int64_t step = end - begin;
  if (!activation_is_inline(args->activation) && step > APUSK_ACTIVATION_CHUNK) step = APUSK_ACTIVATION_CHUNK;
  for (int64_t from = begin; from < end; from += step) {
    int64_t to = from + step < end ? from + step : end;
    affine_elements(args, from, to, APUSK_ACTIVATION_NONE);
    APUSK_ISA_NAME(apusk_activate_f32)(
        args->output + from, 1, 0, to - from, args->activation, args->alpha, args->beta);
  }
  return 0;
}
