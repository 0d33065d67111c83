// Template: what a window's elements make, for one element type.
// ELEMENT is the type, POOL_NAME(name) the functions' names, LOWEST the type's lowest value; POOL_IS_FLOAT is defined for types
// that have NaN.
#ifdef POOL_IS_FLOAT
#define POOL_NAN(x) ((x) != (x))
#else
#define POOL_NAN(x) 0
#endif

static void POOL_NAME(max)(const apusk_pool_nd_args *args, const apusk_pool_window *window, int64_t first, int64_t count,
                           int64_t output) {
  const ELEMENT *input = args->input;
  ELEMENT largest[POOL_CHANNELS];
  int64_t at[APUSK_POOL_MAX_AXES] = {0}, pixel = window->pixel, index = window->index;
  for (int64_t c = 0; c < count; c++) largest[c] = LOWEST;
  if (!args->indices) {
    for (int64_t i = 0; i < window->elements; i++) {
      const ELEMENT *x = input + pixel * args->channels + first;
      for (int64_t c = 0; c < count; c++) largest[c] = x[c] > largest[c] || POOL_NAN(x[c]) ? x[c] : largest[c];
      apusk_pool_next(window, at, &pixel, &index);
    }
  } else {
    int64_t places[POOL_CHANNELS];
    for (int64_t c = 0; c < count; c++) places[c] = index;
    for (int64_t i = 0; i < window->elements; i++) {
      const ELEMENT *x = input + pixel * args->channels + first;
      for (int64_t c = 0; c < count; c++) {
        if (!(x[c] > largest[c] || (POOL_NAN(x[c]) && !POOL_NAN(largest[c])))) continue;
        largest[c] = x[c];
        places[c] = index;
      }
      apusk_pool_next(window, at, &pixel, &index);
    }
    int64_t plane = 1;
    for (int32_t a = 0; a < args->axes; a++) plane *= args->axis[a].input;
    int64_t image = output / args->channels / POOL_PIXELS(args);
    for (int64_t c = 0; c < count; c++) args->indices[output + c] = places[c] + (image * args->channels + first + c) * plane;
  }
  for (int64_t c = 0; c < count; c++) ((ELEMENT *)args->output)[output + c] = largest[c];
}

#ifdef POOL_IS_FLOAT
static void POOL_NAME(average)(const apusk_pool_nd_args *args, const apusk_pool_window *window, int64_t first, int64_t count,
                               int64_t output) {
  const ELEMENT *input = args->input;
  ELEMENT sums[POOL_CHANNELS] = {0};
  int64_t at[APUSK_POOL_MAX_AXES] = {0}, pixel = window->pixel, index = 0;
  for (int64_t i = 0; i < window->elements; i++) {
    const ELEMENT *x = input + pixel * args->channels + first;
    for (int64_t c = 0; c < count; c++) sums[c] += x[c];
    apusk_pool_next(window, at, &pixel, &index);
  }
  int64_t divisor = args->count_include_pad ? window->padded : window->elements;
  if (divisor == 0) divisor = 1;
  for (int64_t c = 0; c < count; c++) ((ELEMENT *)args->output)[output + c] = sums[c] / (ELEMENT)divisor;
}

static void POOL_NAME(lp)(const apusk_pool_nd_args *args, const apusk_pool_window *window, int64_t first, int64_t count,
                          int64_t output) {
  const ELEMENT *input = args->input;
  double sums[POOL_CHANNELS] = {0};
  int64_t at[APUSK_POOL_MAX_AXES] = {0}, pixel = window->pixel, index = 0;
  for (int64_t i = 0; i < window->elements; i++) {
    const ELEMENT *x = input + pixel * args->channels + first;
    for (int64_t c = 0; c < count; c++) sums[c] += apusk_pool_power(x[c], args->p);
    apusk_pool_next(window, at, &pixel, &index);
  }
  for (int64_t c = 0; c < count; c++) ((ELEMENT *)args->output)[output + c] = (ELEMENT)apusk_pool_root(sums[c], args->p);
}
#endif
#undef ELEMENT
#undef POOL_NAME
#undef LOWEST
#undef POOL_NAN
#undef POOL_IS_FLOAT
