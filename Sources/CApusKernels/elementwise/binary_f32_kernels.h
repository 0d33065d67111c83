// Template: binary float32 arithmetic with broadcasting and a fused activation.
#include "activate_array.h"
#include "binary_typed.h"

// One loop for each form of the operands, with the activation as a constant.
#define BINARY_F32_LOOP(load_a, load_b, activation)                                                                    \
  do {                                                                                                                 \
    int64_t i = 0;                                                                                                     \
    for (; i + APUSK_LANES <= count; i += APUSK_LANES) {                                                               \
      store16(output + i, activate16(BINARY_OPERATION(load_a(load16, a), load_b(load16, b)), activation, 0, 0));       \
    }                                                                                                                  \
    if (i < count) {                                                                                                   \
      f32x16 v = BINARY_OPERATION(load_a(load_rest, a), load_b(load_rest, b));                                         \
      store_part(output + i, activate16(v, activation, 0, 0), count - i);                                              \
    }                                                                                                                  \
  } while (0)

#define EACH(load, operand) load(operand + i)
#define SAME(load, operand) splat(*operand)
#define load_rest(p) load_part(p, count - i)

#define BINARY_F32_ROW(name, activation)                                                                               \
  static int64_t name(void *output_, const void *const *operands, const int64_t *steps, int64_t count) {               \
    float *output = output_;                                                                                           \
    const float *a = operands[0], *b = operands[1];                                                                    \
    const int64_t a_step = steps[0], b_step = steps[1];                                                                \
    if (a_step && b_step) {                                                                                            \
      BINARY_F32_LOOP(EACH, EACH, activation);                                                                         \
    } else if (a_step) {                                                                                               \
      BINARY_F32_LOOP(EACH, SAME, activation);                                                                         \
    } else {                                                                                                           \
      BINARY_F32_LOOP(SAME, EACH, activation);                                                                         \
    }                                                                                                                  \
    return -1;                                                                                                         \
  }

static int32_t run_binary_f32(
    const apusk_binary_args *args, int64_t begin, int64_t end, apusk_broadcast_row *plain,
    apusk_broadcast_row *with_relu) {
  if (begin >= end) return 0;
  apusk_broadcast broadcast = apusk_binary_broadcast(args, sizeof(float), sizeof(float));
  int64_t step = end - begin;
  if (!activation_is_inline(args->activation) && step > APUSK_ACTIVATION_CHUNK) step = APUSK_ACTIVATION_CHUNK;
  for (int64_t from = begin; from < end; from += step) {
    int64_t to = from + step < end ? from + step : end;
    apusk_broadcast_walk(&broadcast, from, to, args->activation == APUSK_ACTIVATION_RELU ? with_relu : plain);
    APUSK_ISA_NAME(apusk_activate_f32)(
        (float *)args->output + from, 1, 0, to - from, args->activation, args->alpha, args->beta);
  }
  return 0;
}

#define BINARY_F32_KERNEL(name)                                                                                        \
  BINARY_F32_ROW(name##_row, APUSK_ACTIVATION_NONE)                                                                    \
  BINARY_F32_ROW(name##_relu_row, APUSK_ACTIVATION_RELU)                                                               \
  static int32_t name(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {                            \
    (void)worker;                                                                                                      \
    return run_binary_f32(args, begin, end, name##_row, name##_relu_row);                                              \
  }

#define BINARY_OPERATION(x, y) ((x) + (y))
BINARY_F32_KERNEL(add_f32)
#undef BINARY_OPERATION
#define BINARY_OPERATION(x, y) ((x) - (y))
BINARY_F32_KERNEL(sub_f32)
#undef BINARY_OPERATION
#define BINARY_OPERATION(x, y) ((x) * (y))
BINARY_F32_KERNEL(mul_f32)
#undef BINARY_OPERATION
#define BINARY_OPERATION(x, y) ((x) / (y))
BINARY_F32_KERNEL(div_f32)
#undef BINARY_OPERATION

#undef BINARY_F32_KERNEL
#undef BINARY_F32_ROW
#undef BINARY_F32_LOOP
#undef EACH
#undef SAME
#undef load_rest
