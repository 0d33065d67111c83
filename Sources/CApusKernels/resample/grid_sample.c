// GridSample: interpolation at places that another tensor tells. Coordinates and weights are of the elements' own type.
#include <math.h>
#include <stdbool.h>

#include "../include/apusk_element_type.h"
#include "../include/apusk_resample.h"

#pragma clang fp contract(off)

#define ELEMENT float
#define NAME grid_sample_f32
#include "grid_sample_places.h"
#define ELEMENT double
#define NAME grid_sample_f64
#include "grid_sample_places.h"

int32_t apusk_grid_sample_plan(int32_t element_type, const apusk_grid_sample_args *args, apusk_plan *plan) {
  if (element_type != APUSK_FLOAT32 && element_type != APUSK_FLOAT64) return 502;
  *plan = (apusk_plan){
      .kernel = element_type == APUSK_FLOAT32 ? grid_sample_f32 : grid_sample_f64,
      .units = args->channels == 0 ? 0 : args->batch * args->places,
      .grain = 1 + 4096 / (args->channels + 8)};
  return 0;
}
