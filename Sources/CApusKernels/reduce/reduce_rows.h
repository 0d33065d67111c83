// Template: what each reduction does to a row of elements of one type. The file that includes it defines ELEMENT, SUM (the
// type in which sums and products are made: unsigned for integers, which wrap), IS_FLOAT, LOWEST, HIGHEST, ORDER_ONLY and
// REDUCE_NAME(name).

// lanes[i] = combined(lanes[i], value(elements[i])) for i in 0 ..< count, 1 <= count <= 16.
#define ROW(name, type, value, combined)                                                              \
  static void REDUCE_NAME(name)(void *lanes_, const void *elements, int64_t count, const void *shift) { \
    (void)shift;                                                                                      \
    type *lanes = lanes_;                                                                             \
    const ELEMENT *x_ = elements;                                                                     \
    _Pragma("clang loop vectorize(disable) unroll(disable)")                                          \
    for (int64_t i = 0; i < count; i++) {                                                             \
      ELEMENT x = x_[i];                                                                              \
      type a = lanes[i], b = (type)(value);                                                           \
      lanes[i] = (combined);                                                                          \
    }                                                                                                 \
  }

#if IS_FLOAT
// A NaN stays once it is met.
ROW(largest, ELEMENT, x, b > a || b != b ? b : a)
ROW(smallest, ELEMENT, x, b < a || b != b ? b : a)
#else
ROW(largest, ELEMENT, x, b > a ? b : a)
ROW(smallest, ELEMENT, x, b < a ? b : a)
#endif

static const ELEMENT REDUCE_NAME(lowest) = LOWEST, REDUCE_NAME(highest) = HIGHEST;

#if !ORDER_ONLY
ROW(sum, SUM, x, a + b)
ROW(squares, SUM, (SUM)x * (SUM)x, a + b)
ROW(product, SUM, x, a * b)
ROW(exponentials, double, exp((double)x - (double)((const ELEMENT *)shift)[i]), a + b)
#if IS_FLOAT
ROW(magnitudes, SUM, x < 0 ? -x : x, a + b)
#else
ROW(magnitudes, SUM, x < 0 ? 0 - (SUM)x : (SUM)x, a + b)
#endif

static const SUM REDUCE_NAME(zero) = 0, REDUCE_NAME(one) = 1;

// A result of real arithmetic as an element: integers drop the fraction and stop at the ends of their range.
static ELEMENT REDUCE_NAME(element)(double value) {
#if IS_FLOAT
  return (ELEMENT)value;
#else
  if (!(value > (double)LOWEST)) return value == value ? LOWEST : 0;
  return value < (double)HIGHEST ? (ELEMENT)value : HIGHEST;
#endif
}

// What becomes of the sums of `count` outputs; `n` elements belong to each.
static void REDUCE_NAME(finish)(int32_t function, int64_t n, const void *sums, const void *shift, int64_t count, void *output) {
  for (int64_t i = 0; i < count; i++) {
    ELEMENT sum = (ELEMENT)((const SUM *)sums)[i], result = sum;
    switch (function) {
#if IS_FLOAT
      case APUSK_REDUCE_MEAN: result = sum / (ELEMENT)n; break;
#else
      case APUSK_REDUCE_MEAN: result = (ELEMENT)(sum / n); break;
#endif
      case APUSK_REDUCE_L2: result = REDUCE_NAME(element)(sqrt((double)sum)); break;
      case APUSK_REDUCE_LOG_SUM: result = REDUCE_NAME(element)(log((double)sum)); break;
      case APUSK_REDUCE_LOG_SUM_EXP:
        result = REDUCE_NAME(element)(log(((const double *)sums)[i]) + (double)((const ELEMENT *)shift)[i]);
        break;
      default: break;
    }
    ((ELEMENT *)output)[i] = result;
  }
}

// Nothing is subtracted of infinities: their difference would be NaN.
static void REDUCE_NAME(make_finite)(void *shift, int64_t count) {
  ELEMENT *values = shift;
  for (int64_t i = 0; i < count; i++) {
    if (!isfinite((double)values[i])) values[i] = 0;
  }
}

static const reduce_type REDUCE_NAME(type) = {
    .element_bytes = sizeof(ELEMENT),
    .sum = {REDUCE_NAME(sum), &REDUCE_NAME(zero), sizeof(SUM)},
    .max = {REDUCE_NAME(largest), &REDUCE_NAME(lowest), sizeof(ELEMENT)},
    .min = {REDUCE_NAME(smallest), &REDUCE_NAME(highest), sizeof(ELEMENT)},
    .product = {REDUCE_NAME(product), &REDUCE_NAME(one), sizeof(SUM)},
    .squares = REDUCE_NAME(squares),
    .magnitudes = REDUCE_NAME(magnitudes),
    .exponentials = REDUCE_NAME(exponentials),
    .finish = REDUCE_NAME(finish),
    .make_finite = REDUCE_NAME(make_finite),
};
#else
static const reduce_type REDUCE_NAME(type) = {
    .element_bytes = sizeof(ELEMENT),
    .max = {REDUCE_NAME(largest), &REDUCE_NAME(lowest), sizeof(ELEMENT)},
    .min = {REDUCE_NAME(smallest), &REDUCE_NAME(highest), sizeof(ELEMENT)},
};
#endif

#undef ROW
