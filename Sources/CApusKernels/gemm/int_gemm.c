// Products of 8-bit matrices: packing, the loops around the tiles, and what becomes of the sums.
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "../include/apusk_element_type.h"
#include "int_gemm_level.h"

#pragma clang fp contract(off)

static int64_t divide_up(int64_t a, int64_t b) { return a / b + (a % b != 0); }

static int64_t padded_bytes(int64_t a, int64_t b, int64_t bytes) {
  int64_t total;
  if (__builtin_mul_overflow(a, b, &total) || __builtin_mul_overflow(total, bytes, &total) || total > INT64_MAX - 63) return -1;
  return (total + 63) & ~(int64_t)63;
}

static int64_t pairs_of(int64_t k) { return divide_up(k, 2); }

int64_t apusk_int_gemm_packed_a_bytes(int64_t m, int64_t k) {
  return m < 0 || k < 0 ? -1 : padded_bytes(m, pairs_of(k), 2 * sizeof(int16_t));
}

int64_t apusk_int_gemm_packed_b_bytes(int64_t k, int64_t n) {
  return n < 0 || k < 0 ? -1
                        : padded_bytes(divide_up(n, APUSK_INT_GEMM_COLUMNS), pairs_of(k),
                                       2 * APUSK_INT_GEMM_COLUMNS * sizeof(int16_t));
}

static int32_t byte_at(const void *bytes, int64_t index, int32_t is_signed) {
  return is_signed ? ((const int8_t *)bytes)[index] : ((const uint8_t *)bytes)[index];
}

// ---- packing -------------------------------------------------------------------------------------------------------------

static int32_t pack_a(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_int_pack_a_args *args = args_;
  (void)worker;
  int64_t each = apusk_int_gemm_packed_a_bytes(args->m, args->k) / (int64_t)sizeof(int16_t), length = 2 * pairs_of(args->k);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t batch = unit / args->m, row = unit % args->m;
    int32_t zero = args->zero_points ? byte_at(args->zero_points, batch * args->zero_batch_stride + row * args->zero_row_stride,
                                               args->is_signed)
                                     : 0;
    const char *source = (const char *)args->source + batch * args->batch_stride + row * args->row_stride;
    int16_t *packed = args->packed + batch * each + row * length;
    uint32_t sum = 0;
    if (args->is_signed) {
      for (int64_t p = 0; p < args->k; p++) packed[p] = (int16_t)((int8_t)source[p * args->k_stride] - zero);
    } else {
      for (int64_t p = 0; p < args->k; p++) packed[p] = (int16_t)((uint8_t)source[p * args->k_stride] - zero);
    }
    for (int64_t p = 0; p < args->k; p++) sum += (uint32_t)packed[p];
    if (length > args->k) packed[args->k] = 0;
    args->row_sums[unit] = (int32_t)sum;
  }
  return 0;
}

int32_t apusk_int_pack_a_plan(const apusk_int_pack_a_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = pack_a, .grain = 1 + 20000 / (args->k + 16)};
  if (args->batches < 0 || apusk_int_gemm_packed_a_bytes(args->m, args->k) < 0) return 100;
  return __builtin_mul_overflow(args->batches, args->m, &plan->units) ? 301 : 0;
}

static int32_t pack_b(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_int_pack_b_args *args = args_;
  (void)worker;
  enum { columns = APUSK_INT_GEMM_COLUMNS };
  int64_t panels = divide_up(args->n, columns), pairs = pairs_of(args->k);
  int64_t each = apusk_int_gemm_packed_b_bytes(args->k, args->n) / (int64_t)sizeof(int16_t);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t batch = unit / panels, panel = unit % panels, first = panel * columns;
    int64_t width = args->n - first < columns ? args->n - first : columns;
    int16_t *packed = args->packed + batch * each + panel * pairs * 2 * columns;
    int64_t source = batch * args->batch_stride + first * args->column_stride;
    for (int64_t p = 0; p < 2 * pairs; p++) {
      int16_t *row = packed + p / 2 * 2 * columns + p % 2;
      for (int64_t j = 0; j < columns; j++) {
        row[2 * j] = p < args->k && j < width
                         ? (int16_t)byte_at(args->source, source + p * args->k_stride + j * args->column_stride, args->is_signed)
                         : 0;
      }
    }
  }
  return 0;
}

int32_t apusk_int_pack_b_plan(const apusk_int_pack_b_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = pack_b, .grain = 1 + 20000 / (APUSK_INT_GEMM_COLUMNS * (args->k + 1))};
  if (args->batches < 0 || apusk_int_gemm_packed_b_bytes(args->k, args->n) < 0) return 100;
  return __builtin_mul_overflow(args->batches, divide_up(args->n, APUSK_INT_GEMM_COLUMNS), &plan->units) ? 301 : 0;
}

void apusk_int_pack_b(const apusk_int_pack_b_args *args) {
  apusk_plan plan;
  if (apusk_int_pack_b_plan(args, &plan) == 0) pack_b(args, 0, plan.units, NULL);
}

// ---- the product ---------------------------------------------------------------------------------------------------------

static int32_t run(const apusk_int_gemm_args *args, int64_t begin, int64_t end, apusk_int_gemm_tile *tile) {
  enum { columns = APUSK_INT_GEMM_COLUMNS };
  int64_t panels = divide_up(args->n, columns), blocks = divide_up(args->m, args->rows_per_unit), pairs = pairs_of(args->k);
  int64_t a_each = apusk_int_gemm_packed_a_bytes(args->m, args->k) / (int64_t)sizeof(int16_t);
  int64_t b_each = apusk_int_gemm_packed_b_bytes(args->k, args->n) / (int64_t)sizeof(int16_t);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t panel = unit % panels, block = unit / panels % blocks, batch = unit / panels / blocks;
    int64_t a_matrix = args->a_matrices ? args->a_matrices[batch] : 0, b_matrix = args->b_matrices ? args->b_matrices[batch] : 0;
    int64_t first = panel * columns, width = args->n - first < columns ? args->n - first : columns;
    int64_t row = block * args->rows_per_unit;
    int64_t end_row = args->m - row < args->rows_per_unit ? args->m : row + args->rows_per_unit;
    uint32_t zero[columns] = {0};
    for (int64_t j = 0; args->b_zero_points && j < width; j++) {
      zero[j] = (uint32_t)byte_at(args->b_zero_points,
                                  b_matrix * args->zero_batch_stride + (first + j) * args->zero_column_stride, args->b_is_signed);
    }
    for (; row < end_row; row += APUSK_INT_GEMM_ROWS) {
      int64_t rows = end_row - row < APUSK_INT_GEMM_ROWS ? end_row - row : APUSK_INT_GEMM_ROWS;
      int32_t sums[APUSK_INT_GEMM_ROWS][columns];
      tile(args->a + a_matrix * a_each + row * 2 * pairs, 2 * pairs, args->b + b_matrix * b_each + panel * pairs * 2 * columns,
           pairs, rows, sums);
      for (int64_t i = 0; i < rows; i++) {
        uint32_t row_sum = (uint32_t)args->row_sums[a_matrix * args->m + row + i];
        int32_t *c = args->c + (batch * args->m + row + i) * args->n + first;
        for (int64_t j = 0; j < width; j++) c[j] = (int32_t)((uint32_t)sums[i][j] - zero[j] * row_sum);
      }
    }
  }
  return 0;
}

static int32_t run_portable(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return run(args, begin, end, apusk_int_gemm_tile_portable);
}

#if defined(__x86_64__)
static int32_t run_avx2(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return run(args, begin, end, apusk_int_gemm_tile_avx2);
}

static int32_t run_avx512(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return run(args, begin, end, apusk_int_gemm_tile_avx512);
}
#endif

int32_t apusk_int_gemm_plan(int32_t level, apusk_int_gemm_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.grain = 1};
  switch (level) {
    case APUSK_LEVEL_PORTABLE: plan->kernel = run_portable; break;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2: plan->kernel = run_avx2; break;
    case APUSK_LEVEL_AVX512: plan->kernel = run_avx512; break;
#endif
    default: return 100;
  }
  args->rows_per_unit = 4 * APUSK_INT_GEMM_ROWS;
  if (args->batches < 0 || args->m < 0 || args->n < 0 || args->k < 0) return 100;
  if (apusk_int_gemm_packed_a_bytes(args->m, args->k) < 0 || apusk_int_gemm_packed_b_bytes(args->k, args->n) < 0) return 301;
  int64_t units = divide_up(args->n, APUSK_INT_GEMM_COLUMNS);
  if (__builtin_mul_overflow(units, divide_up(args->m, args->rows_per_unit), &units) ||
      __builtin_mul_overflow(units, args->batches, &plan->units)) {
    return 301;
  }
  const double products_per_grain = 200000;
  int64_t rows = args->m < args->rows_per_unit ? args->m : args->rows_per_unit;
  plan->grain = 1 + (int64_t)(products_per_grain / ((double)(args->k + 8) * (double)(rows + 1) * APUSK_INT_GEMM_COLUMNS));
  return 0;
}

// ---- scaling -------------------------------------------------------------------------------------------------------------

static int32_t scale(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_int_scale_args *args = args_;
  (void)worker;
  int32_t is_signed = args->output_type == APUSK_INT8;
  float low = is_signed ? -128.0f : 0.0f, high = is_signed ? 127.0f : 255.0f;
  float zero = args->y_zero ? (float)byte_at(args->y_zero, 0, is_signed) : 0.0f;
  for (int64_t row = begin; row < end; row++) {
    int64_t batch = row / args->m;
    const int32_t *sums = args->sums + row * args->n;
    const float *b_scale = args->b_scale + batch * args->b_batch_stride;
    float a_scale = args->alpha * args->a_scale[batch * args->a_batch_stride + row % args->m * args->a_row_stride];
    const float *bias = args->bias_is_integer ? NULL : args->bias;
    const int32_t *integer_bias = args->bias_is_integer ? args->bias : NULL;
    for (int64_t j = 0; j < args->n; j++) {
      int32_t sum = sums[j];
      if (integer_bias) sum = (int32_t)((uint32_t)sum + (uint32_t)integer_bias[j * args->bias_stride]);
      float factor = a_scale * b_scale[j * args->b_column_stride];
      if (args->output_type == APUSK_FLOAT32) {
        float v = (float)sum * factor;
        ((float *)args->output)[row * args->n + j] = bias ? v + bias[j * args->bias_stride] : v;
        continue;
      }
      float v = rintf((float)sum * (factor / args->y_scale[0])) + zero;
      // NaN, from a scale that is none, becomes the lowest value.
      v = v > low ? v : low;
      v = v < high ? v : high;
      ((uint8_t *)args->output)[row * args->n + j] = (uint8_t)(int32_t)v;
    }
  }
  return 0;
}

int32_t apusk_int_scale_plan(const apusk_int_scale_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = scale, .grain = 1 + 20000 / (args->n + 16)};
  if (args->output_type != APUSK_FLOAT32 && args->output_type != APUSK_UINT8 && args->output_type != APUSK_INT8) return 502;
  plan->units = args->batches * args->m;
  return 0;
}
