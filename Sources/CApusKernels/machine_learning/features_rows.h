// Template: features of one element type. The file that includes it defines ELEMENT, IS_FLOAT and FEATURES_NAME(name).

static void FEATURES_NAME(row)(const apusk_features_args *args, int64_t row) {
  int64_t n = args->features;
  const ELEMENT *x = (const ELEMENT *)args->input + row * n, *a = args->a;
  ELEMENT *y = (ELEMENT *)args->output + row * n;
  switch (args->function) {
    case APUSK_FEATURES_BINARIZE:
      for (int64_t f = 0; f < n; f++) y[f] = (double)x[f] > args->threshold;
      break;
    case APUSK_FEATURES_IMPUTE:
      for (int64_t f = 0; f < n; f++) {
#if IS_FLOAT
        bool replace = args->replaced != args->replaced ? x[f] != x[f] : (double)x[f] == args->replaced;
#else
        bool replace = x[f] == args->replaced_integer;
#endif
        y[f] = replace ? a[f * args->a_step] : x[f];
      }
      break;
#if IS_FLOAT
    case APUSK_FEATURES_SCALE:
      for (int64_t f = 0; f < n; f++) {
        y[f] = (x[f] - a[f * args->a_step]) * ((const ELEMENT *)args->b)[f * args->b_step];
      }
      break;
    default: {
      ELEMENT norm = 0;
      for (int64_t f = 0; f < n; f++) {
        ELEMENT size = x[f] < 0 ? -x[f] : x[f];
        if (args->function == APUSK_FEATURES_NORMALIZE_MAX) {
          norm = size > norm ? size : norm;
        } else {
          norm += args->function == APUSK_FEATURES_NORMALIZE_L1 ? size : size * size;
        }
      }
      if (args->function == APUSK_FEATURES_NORMALIZE_L2) norm = (ELEMENT)sqrt((double)norm);
      const ELEMENT smallest = (ELEMENT)1e-30;
      for (int64_t f = 0; f < n; f++) y[f] = x[f] / (norm > smallest ? norm : smallest);
    }
#endif
  }
}
