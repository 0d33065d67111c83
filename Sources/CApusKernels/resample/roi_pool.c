// Pooling of regions: RoiAlign by samples between elements, MaxRoiPool by whole elements.
#include <math.h>
#include <stdbool.h>

#include "../include/apusk_element_type.h"
#include "../include/apusk_resample.h"

#pragma clang fp contract(off)

static void batch_fault(apusp_worker *worker, int32_t operand, int64_t position, int64_t value, int64_t batch) {
  worker->fault = (apusp_fault){
      .code = 600, .operand = operand, .position = position, .value = value, .lower = 0, .upper = batch};
}

// A number of samples or elements from a coordinate of a file: NaN and what is negative gives 0, all else at most `most`.
static int64_t whole(double x, int64_t most) {
  if (!(x > 0)) return 0;
  return x > (double)most ? most : (int64_t)x;
}

// floor or ceil of a bin's edge, held to the map's elements 0 ... size.
static int64_t edge(double x, int64_t size) { return whole(x, size); }

#define ELEMENT float
#define ALIGN roi_align_f32
#define POOL max_roi_pool_f32
#include "roi_pool_regions.h"
#define ELEMENT double
#define ALIGN roi_align_f64
#define POOL max_roi_pool_f64
#include "roi_pool_regions.h"

int32_t apusk_roi_align_plan(int32_t element_type, const apusk_roi_align_args *args, apusk_plan *plan) {
  if (element_type != APUSK_FLOAT32 && element_type != APUSK_FLOAT64) return 502;
  bool is_empty = args->output_height == 0 || args->output_width == 0;
  *plan = (apusk_plan){
      .kernel = element_type == APUSK_FLOAT32 ? roi_align_f32 : roi_align_f64,
      .units = is_empty ? 0 : args->regions * args->channels, .grain = 4};
  return 0;
}

int32_t apusk_max_roi_pool_plan(int32_t element_type, const apusk_max_roi_pool_args *args, apusk_plan *plan) {
  if (element_type != APUSK_FLOAT32 && element_type != APUSK_FLOAT64) return 502;
  bool is_empty = args->output_height == 0 || args->output_width == 0;
  *plan = (apusk_plan){
      .kernel = element_type == APUSK_FLOAT32 ? max_roi_pool_f32 : max_roi_pool_f64,
      .units = is_empty ? 0 : args->regions * args->channels, .grain = 4};
  return 0;
}
