#include <math.h>
#include <stddef.h>
#include <string.h>

#include "../include/apusk_element_type.h"
#include "resize_level.h"

#pragma clang fp contract(off)

// Types that need sums in double; one version for all levels.

#define NAME resize_f64
#define ELEMENT double
#define SUM double
#define WEIGHT weight
#define TO_ELEMENT(x) (x)
#define IS_SAME 1
#include "resize_rows.h"

// Clamped first: a double beyond the integers must not be converted. NaN gives the lowest.
#define NAME resize_i32
#define ELEMENT int32_t
#define SUM double
#define WEIGHT weight
#define TO_ELEMENT(x) ((x) >= 0x1p31 ? INT32_MAX : (x) > -0x1p31 ? (int32_t)rint(x) : INT32_MIN)
#define IS_SAME 0
#include "resize_rows.h"

#define NAME resize_i64
#define ELEMENT int64_t
#define SUM double
#define WEIGHT weight
#define TO_ELEMENT(x) ((x) >= 0x1p63 ? INT64_MAX : (x) > -0x1p63 ? (int64_t)rint(x) : INT64_MIN)
#define IS_SAME 0
#include "resize_rows.h"

int32_t apusk_resize_plan(int32_t level, int32_t element_type, const apusk_resize_args *args, apusk_plan *plan) {
  const apusk_resize_level *kernels = NULL;
  switch (level) {
    case APUSK_LEVEL_PORTABLE: kernels = &apusk_resize_portable; break;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2: kernels = &apusk_resize_avx2; break;
    case APUSK_LEVEL_AVX512: kernels = &apusk_resize_avx512; break;
#endif
    default: return 100;
  }
  apusp_kernel kernel = NULL;
  int64_t sum_bytes = 4;
  switch (element_type) {
    case APUSK_FLOAT32: kernel = kernels->float32; break;
    case APUSK_UINT8: kernel = kernels->uint8; break;
    case APUSK_INT8: kernel = kernels->int8; break;
    case APUSK_FLOAT64: kernel = resize_f64; sum_bytes = 8; break;
    case APUSK_INT32: kernel = resize_i32; sum_bytes = 8; break;
    case APUSK_INT64: kernel = resize_i64; sum_bytes = 8; break;
    default: return 502;
  }
  int64_t work = args->input_width * args->inner * args->row_tap_count
      + args->output_width * args->inner * (1 + args->column_tap_count);
  int64_t output_row = args->output_width * args->inner;
  *plan = (apusk_plan){
      .kernel = kernel,
      .units = output_row == 0 ? 0 : args->outer * args->output_height,
      .grain = 1 + 65536 / (work + 1),
      .scratch_bytes = (args->input_width * args->inner + output_row) * sum_bytes};
  return 0;
}
