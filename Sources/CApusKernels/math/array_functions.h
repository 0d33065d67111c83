// Template: the array forms of the functions (include/apusk_math.h), for the level of the file that includes it.
#include "activation.h"

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

#define APUSK_ARRAY_ROWS(activation, alpha)                                                                            \
  for (int64_t row = 0; row < rows; row++, v += stride) {                                                              \
    for (int64_t i = 0; i < count; i += APUSK_LANES) {                                                                 \
      store_lanes(v + i, activate16(load_lanes(v + i, count - i), activation, alpha, beta), count - i);                \
    }                                                                                                                  \
  }

#define APUSK_ARRAY_ACTIVATION(activation)                                                                             \
  case activation:                                                                                                     \
    APUSK_ARRAY_ROWS(activation, alpha)                                                                                \
    break;

#define APUSK_ARRAY_LONG_ACTIVATION(activation, function)                                       \
  case activation:                                                                              \
    for (int64_t row = 0; row < rows; row++, v += stride) APUSK_ISA_NAME(function)(v, v, count); \
    break;

void APUSK_ISA_NAME(apusk_activate_f32)(float *v, int64_t rows, int64_t stride, int64_t count, int32_t activation,
                                        float alpha, float beta) {
  switch (activation) {
    APUSK_ARRAY_LONG_ACTIVATION(APUSK_ACTIVATION_SIGMOID, apusk_sigmoid_f32)
    APUSK_ARRAY_LONG_ACTIVATION(APUSK_ACTIVATION_TANH, apusk_tanh_f32)
    APUSK_ARRAY_ACTIVATION(APUSK_ACTIVATION_RELU)
    APUSK_ARRAY_ACTIVATION(APUSK_ACTIVATION_LEAKY_RELU)
    APUSK_ARRAY_ACTIVATION(APUSK_ACTIVATION_CLIP)
    APUSK_ARRAY_ACTIVATION(APUSK_ACTIVATION_HARD_SIGMOID)
    APUSK_ARRAY_ACTIVATION(APUSK_ACTIVATION_HARD_SWISH)
    case APUSK_ACTIVATION_SWISH:
      if (APUSK_ISA > 0 && alpha == 1.0f) {  // SiLU: a product less
        APUSK_ARRAY_ROWS(APUSK_ACTIVATION_SWISH, 1.0f)
      } else {
        APUSK_ARRAY_ROWS(APUSK_ACTIVATION_SWISH, alpha)
      }
      break;
    APUSK_ARRAY_ACTIVATION(APUSK_ACTIVATION_GELU)
    default: break;
  }
}
