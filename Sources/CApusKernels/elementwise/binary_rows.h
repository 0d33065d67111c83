// Template: one row of a binary function. Included by files of rows after functions.

// output[i] = expression of x and y.
#define ROW(name, operand, result, expression)                                                                         \
  static int64_t name(void *output_, const void *const *operands, const int64_t *steps, int64_t count) {               \
    result *output = output_;                                                                                          \
    const operand *a = operands[0], *b = operands[1];                                                                  \
    const int64_t a_step = steps[0], b_step = steps[1];                                                                \
    if (a_step && b_step) {                                                                                            \
      for (int64_t i = 0; i < count; i++) {                                                                            \
        operand x = a[i], y = b[i];                                                                                    \
        output[i] = (result)(expression);                                                                              \
      }                                                                                                                \
    } else {                                                                                                           \
      for (int64_t i = 0; i < count; i++) {                                                                            \
        operand x = a[i * a_step], y = b[i * b_step];                                                                  \
        output[i] = (result)(expression);                                                                              \
      }                                                                                                                \
    }                                                                                                                  \
    return -1;                                                                                                         \
  }

// The same where a divisor y of 0 has no result.
#define DIVISION_ROW(name, type, quotient)                                                                             \
  static int64_t name(void *output_, const void *const *operands, const int64_t *steps, int64_t count) {               \
    type *output = output_;                                                                                            \
    const type *a = operands[0], *b = operands[1];                                                                     \
    for (int64_t i = 0; i < count; i++) {                                                                              \
      type x = a[i * steps[0]], y = b[i * steps[1]];                                                                   \
      if (y == 0) return i;                                                                                            \
      output[i] = quotient;                                                                                            \
    }                                                                                                                  \
    return -1;                                                                                                         \
  }
