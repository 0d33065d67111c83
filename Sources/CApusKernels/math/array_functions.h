// Template: the array forms of the functions (include/apusk_math.h), for the level of the file that includes it.
#include "functions.h"

#define APUSK_ARRAY_FUNCTION(name, function)                                                    \
  void APUSK_ISA_NAME(name)(float *output, const float *input, int64_t count) {                 \
    for (int64_t i = 0; i < count; i += APUSK_LANES) {                                          \
      store_lanes(output + i, function(load_lanes(input + i, count - i)), count - i);           \
    }                                                                                           \
  }

APUSK_ARRAY_FUNCTION(apusk_exp_f32, exp16)
APUSK_ARRAY_FUNCTION(apusk_log_f32, log16)
APUSK_ARRAY_FUNCTION(apusk_tanh_f32, tanh16)
APUSK_ARRAY_FUNCTION(apusk_sigmoid_f32, sigmoid16)
