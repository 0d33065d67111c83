#include <math.h>
#include <stddef.h>

#include "../cast/float_formats.h"
#include "../cast/wide.h"
#include "../include/apusk_quantize.h"
#include "../integer/integer_isa.h"

#pragma STDC FP_CONTRACT OFF

enum { elements_per_grain = 8 * 1024 };

// ---- scales and zero points of a block of elements --------------------------------------------------------------------------

typedef struct parameters {
  double scale[apusk_wide_block_size];
  double zero[apusk_wide_block_size];
} parameters;

// The `count` elements of `source` from `number` on, or the one there as often; 0 without a source.
static void load_run(double *values, const void *source, int64_t number, int same, int64_t count, int32_t type) {
  if (source && !same) {
    apusk_wide_load_doubles(values, source, number, count, type);
    return;
  }
  double value = 0;
  if (source) apusk_wide_load_doubles(&value, source, number, 1, type);
  for (int64_t n = 0; n < count; n++) values[n] = value;
}

// Those of the elements [at, at + count), run by run: elements of one scale, or whose scales stand side by side.
static void load_parameters(
    parameters *parameters, const apusk_quantize_args *args, int64_t at, int64_t count, int32_t zero_type) {
  int along_axis = args->inner == 1 && args->block == 1 && args->block_stride == 1;
  int same = !along_axis && args->inner_stride == 0;
  for (int64_t n = 0; n < count;) {
    int64_t inner = (at + n) % args->inner, axis = (at + n) / args->inner % args->axis;
    int64_t outer = (at + n) / args->inner / args->axis;
    int64_t number = outer * args->outer_stride + axis / args->block * args->block_stride + inner * args->inner_stride;
    int64_t run = args->inner - inner;
    if (along_axis) run = args->axis - axis;
    if (same && args->inner == 1) {
      run = args->block - axis % args->block;
      if (run > args->axis - axis) run = args->axis - axis;
    }
    if (run > count - n) run = count - n;
    load_run(parameters->scale + n, args->scale, number, same, run, args->scale_type);
    load_run(parameters->zero + n, args->zero, number, same, run, zero_type);
    n += run;
  }
}

static int is_per_tensor(const apusk_quantize_args *args) {
  return args->outer_stride == 0 && args->block_stride == 0 && args->inner_stride == 0;
}

// ---- quantization ---------------------------------------------------------------------------------------------------------

static double quotient(double x, double scale, int32_t precision) {
  switch (precision) {
    case APUSK_FLOAT64: return x / scale;
    // A float holds the operands and twice the digits of the result: the second rounding changes nothing.
    case APUSK_FLOAT16: return double_of_half(half_of_double((float)x / (float)scale));
    case APUSK_BFLOAT16: return double_of_bfloat(bfloat_of_double((float)x / (float)scale));
    default: return (float)x / (float)scale;
  }
}

static double lowest_of(int32_t type) {
  switch (type) {
    case APUSK_INT2: return -2;
    case APUSK_INT4: return -8;
    case APUSK_INT8: return INT8_MIN;
    case APUSK_INT16: return INT16_MIN;
    case APUSK_INT32: return INT32_MIN;
    default: return 0;
  }
}

static double highest_of(int32_t type) {
  switch (type) {
    case APUSK_INT2: return 1;
    case APUSK_UINT2: return 3;
    case APUSK_INT4: return 7;
    case APUSK_UINT4: return 15;
    case APUSK_INT8: return INT8_MAX;
    case APUSK_UINT8: return UINT8_MAX;
    case APUSK_INT16: return INT16_MAX;
    case APUSK_UINT16: return UINT16_MAX;
    default: return INT32_MAX;
  }
}

static double clamped(double v, double low, double high) {
  v = v < low ? low : v;
  return v > high ? high : v;
}

// float32 to 8 bits with float32 scales: what quantized models run between their layers.
static void quantize_to_bytes(
    uint8_t *restrict y, const float *restrict x, const double *restrict scale, const double *restrict zero, int64_t count,
    float low, float high) {
  const float whole = 0x1.8p23f;  // adding it rounds to a whole number
  for (int64_t n = 0; n < count; n++) {
    float q = x[n] / (float)scale[n];
    q = q == q ? q : 0;
    q = q < -65536.0f ? -65536.0f : q;
    q = q > 65536.0f ? 65536.0f : q;
    q = q + whole - whole + (float)zero[n];
    q = q < low ? low : q;
    q = q > high ? high : q;
    y[n] = (uint8_t)(int32_t)q;
  }
}

static int32_t quantize(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_quantize_args *args = args_;
  (void)worker;
  int64_t unit = apusk_wide_unit(args->y_type), total = args->outer * args->axis * args->inner;
  int64_t last = end * unit < total ? end * unit : total;
  int is_float = apusk_wide_of(args->y_type) == apusk_wide_float;
  double low = lowest_of(args->y_type), high = highest_of(args->y_type);
  apusk_wide_rounding rounding = {.saturate = args->saturate};
  double x[apusk_wide_block_size];
  parameters parameters;
  apusk_wide_block block;
  int per_tensor = is_per_tensor(args);
  for (int64_t at = begin * unit; at < last; at += apusk_wide_block_size) {
    int64_t count = last - at < apusk_wide_block_size ? last - at : apusk_wide_block_size;
    if (!per_tensor || at == begin * unit) load_parameters(&parameters, args, at, count, args->y_type);
    if (args->x_type == APUSK_FLOAT32 && args->precision == APUSK_FLOAT32 && args->scale_type == APUSK_FLOAT32 &&
        (args->y_type == APUSK_UINT8 || args->y_type == APUSK_INT8)) {
      quantize_to_bytes(
          (uint8_t *)args->y + at, (const float *)args->x + at, parameters.scale, parameters.zero, count, (float)low,
          (float)high);
      continue;
    }
    apusk_wide_load_doubles(x, args->x, at, count, args->x_type);
    for (int64_t n = 0; n < count; n++) {
      double q = quotient(x[n], parameters.scale[n], args->precision);
      if (is_float) {
        block.f[n] = q + parameters.zero[n];
      } else {
        block.i[n] = (int64_t)clamped((q == q ? rint(q) : 0) + parameters.zero[n], low, high);
      }
    }
    apusk_wide_store(
        args->y, at, &block, count, is_float ? apusk_wide_float : apusk_wide_signed, args->y_type, rounding);
  }
  return 0;
}

// The same with one scale for all, on vectors.
static int32_t quantize_tensor(const apusk_quantize_args *args, int64_t begin, int64_t end, int32_t level) {
  const bool is_signed = args->y_type == APUSK_INT8;
  apusk_integer_isa_of(level)->quantize(
      (const float *)args->x + begin, (uint8_t *)args->y + begin, end - begin, *(const float *)args->scale,
      apusk_integer_byte(args->zero, 0, is_signed), is_signed);
  return 0;
}

static int32_t quantize_tensor_portable(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return quantize_tensor(args, begin, end, APUSK_LEVEL_PORTABLE);
}

static int32_t quantize_tensor_avx2(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return quantize_tensor(args, begin, end, APUSK_LEVEL_AVX2);
}

static int32_t quantize_tensor_avx512(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return quantize_tensor(args, begin, end, APUSK_LEVEL_AVX512);
}

static int32_t dequantize(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_quantize_args *args = args_;
  (void)worker;
  double x[apusk_wide_block_size];
  parameters parameters;
  apusk_wide_block block;
  int per_tensor = is_per_tensor(args);
  for (int64_t at = begin; at < end; at += apusk_wide_block_size) {
    int64_t count = end - at < apusk_wide_block_size ? end - at : apusk_wide_block_size;
    if (!per_tensor || at == begin) load_parameters(&parameters, args, at, count, args->x_type);
    apusk_wide_load_doubles(x, args->x, at, count, args->x_type);
    for (int64_t n = 0; n < count; n++) block.f[n] = (x[n] - parameters.zero[n]) * parameters.scale[n];
    apusk_wide_store(args->y, at, &block, count, apusk_wide_float, args->y_type, (apusk_wide_rounding){0});
  }
  return 0;
}

// ---- plans ----------------------------------------------------------------------------------------------------------------

static int32_t plan_of(
    int32_t level, const apusk_quantize_args *args, int32_t packed_type, apusp_kernel kernel, apusk_plan *plan) {
  if (level < APUSK_LEVEL_PORTABLE || level > APUSK_LEVEL_AVX512) return 100;
  if (!apusk_wide_bits(args->x_type) || !apusk_wide_bits(args->scale_type) || !apusk_wide_bits(args->y_type)) return 502;
  int64_t unit = apusk_wide_unit(packed_type), count = args->outer * args->axis * args->inner;
  *plan = (apusk_plan){.kernel = kernel, .units = count / unit + (count % unit != 0), .grain = elements_per_grain / unit};
  return 0;
}

int32_t apusk_quantize_plan(int32_t level, const apusk_quantize_args *args, apusk_plan *plan) {
  static const apusp_kernel on_vectors[] = {quantize_tensor_portable, quantize_tensor_avx2, quantize_tensor_avx512};
  const int32_t status = plan_of(level, args, args->y_type, quantize, plan);
  if (status == 0 && is_per_tensor(args) && args->x_type == APUSK_FLOAT32 && args->scale_type == APUSK_FLOAT32 &&
      args->precision == APUSK_FLOAT32 && apusk_integer_is_byte(args->y_type)) {
    plan->kernel = on_vectors[level];
  }
  return status;
}

int32_t apusk_dequantize_plan(int32_t level, const apusk_quantize_args *args, apusk_plan *plan) {
  return apusk_wide_bits(args->y_type) < 8 ? 502 : plan_of(level, args, args->y_type, dequantize, plan);
}
