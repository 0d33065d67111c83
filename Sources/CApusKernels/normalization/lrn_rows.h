// Template: local response normalization and running averages for one element type. The file that includes it defines ELEMENT,
// ROOT (its square root) and NORMALIZATION_NAME(name).

static ELEMENT NORMALIZATION_NAME(power)(ELEMENT base, double exponent) {
  if (exponent == 0.75) {
    ELEMENT root = ROOT(base);
    return root * ROOT(root);
  }
  if (exponent == 0.5) return ROOT(base);
  return (ELEMENT)pow((double)base, exponent);
}

static void NORMALIZATION_NAME(lrn)(const apusk_lrn_args *args, int64_t row) {
  int64_t channel = row % args->channels, inner = args->inner;
  int64_t before = (args->size - 1) / 2, after = args->size / 2;
  int64_t first = channel > before ? channel - before : 0;
  int64_t last = args->channels - 1 - channel > after ? channel + after : args->channels - 1;
  const ELEMENT *x = (const ELEMENT *)args->input + row * inner;
  ELEMENT *y = (ELEMENT *)args->output + row * inner;
  ELEMENT factor = (ELEMENT)(args->alpha / (double)args->size), bias = (ELEMENT)args->bias;
  for (int64_t start = 0; start < inner; start += LRN_BLOCK) {
    int64_t count = inner - start < LRN_BLOCK ? inner - start : LRN_BLOCK;
    ELEMENT sums[LRN_BLOCK] = {0};
    for (int64_t c = first; c <= last; c++) {
      const ELEMENT *z = x + (c - channel) * inner + start;
      for (int64_t i = 0; i < count; i++) sums[i] += z[i] * z[i];
    }
    for (int64_t i = 0; i < count; i++) sums[i] = bias + factor * sums[i];
    for (int64_t i = 0; i < count; i++) y[start + i] = x[start + i] / NORMALIZATION_NAME(power)(sums[i], args->beta);
  }
}

static void NORMALIZATION_NAME(running_average)(const apusk_running_average_args *args, int64_t i) {
  ELEMENT momentum = (ELEMENT)args->momentum;
  ((ELEMENT *)args->output)[i] =
      ((const ELEMENT *)args->old)[i] * momentum + ((const ELEMENT *)args->current)[i] * (1 - momentum);
}
