#include "../include/apusk_element_type.h"
#include "../include/apusk_resample.h"

#pragma clang fp contract(off)

// The place of element `i` of `size` along an axis that is normalized to -1 ... 1.
static double normalized(int64_t i, int64_t size, int32_t align_corners) {
  if (align_corners) return size > 1 ? -1 + 2 * (double)i / (double)(size - 1) : -1;
  return (2 * (double)i + 1) / (double)size - 1;
}

static double element(const void *data, int32_t is_double, int64_t i) {
  return is_double ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

static int32_t run(const apusk_affine_grid_args *args, int64_t begin, int64_t end, int32_t is_double) {
  int64_t places = 1, axes = args->axes;
  for (int64_t d = 0; d < axes; d++) places *= args->spatial[d];
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t batch = unit / places, rest = unit % places;
    double place[3] = {0, 0, 0};  // innermost axis first
    for (int64_t d = axes - 1; d >= 0; d--) {
      place[axes - 1 - d] = normalized(rest % args->spatial[d], args->spatial[d], args->align_corners);
      rest /= args->spatial[d];
    }
    for (int64_t r = 0; r < axes; r++) {
      int64_t row = (batch * axes + r) * (axes + 1);
      double sum = 0;
      for (int64_t c = 0; c < axes; c++) sum += element(args->theta, is_double, row + c) * place[c];
      sum += element(args->theta, is_double, row + axes);
      if (is_double) {
        ((double *)args->grid)[unit * axes + r] = sum;
      } else {
        ((float *)args->grid)[unit * axes + r] = (float)sum;
      }
    }
  }
  return 0;
}

static int32_t affine_grid_f32(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return run(args, begin, end, 0);
}

static int32_t affine_grid_f64(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  return run(args, begin, end, 1);
}

int32_t apusk_affine_grid_plan(int32_t element_type, const apusk_affine_grid_args *args, apusk_plan *plan) {
  if (element_type != APUSK_FLOAT32 && element_type != APUSK_FLOAT64) return 502;
  int64_t units = args->batch;
  for (int32_t d = 0; d < args->axes; d++) units *= args->spatial[d];
  *plan = (apusk_plan){
      .kernel = element_type == APUSK_FLOAT32 ? affine_grid_f32 : affine_grid_f64, .units = units, .grain = 2048};
  return 0;
}
