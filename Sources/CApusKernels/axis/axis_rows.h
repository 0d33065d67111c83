// Template: rows along an axis for one element type. The file that includes it defines ELEMENT, SUM (the type in which sums
// are made: unsigned for integers, which wrap), IS_FLOAT and AXIS_NAME(name).

#if IS_FLOAT
#define IS_NAN(x) ((x) != (x))
#else
#define IS_NAN(x) 0
#endif

static int64_t AXIS_NAME(place_of_extreme)(const ELEMENT *x, int64_t n, int64_t step, int smallest, int last) {
  int64_t place = 0;
  ELEMENT extreme = x[0];
  for (int64_t i = 1; i < n; i++) {
    ELEMENT value = x[i * step];
    bool beyond = smallest ? value < extreme : value > extreme;
    bool equal = value == extreme;
    if (IS_NAN(extreme) || IS_NAN(value)) {
      beyond = IS_NAN(value) && !IS_NAN(extreme);
      equal = IS_NAN(value) && IS_NAN(extreme);
    }
    if (beyond || (equal && last)) {
      extreme = value;
      place = i;
    }
  }
  return place;
}

static void AXIS_NAME(extreme)(const apusk_axis_args *args, int64_t start, int64_t row) {
  const ELEMENT *x = (const ELEMENT *)args->input + start;
  ((int64_t *)args->output)[row] =
      AXIS_NAME(place_of_extreme)(x, args->n, args->inner, args->function == APUSK_AXIS_ARG_MIN, args->last);
}

static void AXIS_NAME(cumulate)(const apusk_axis_args *args, int64_t start, int64_t row) {
  (void)row;
  int64_t step = args->reverse ? -args->inner : args->inner;
  if (args->reverse) start += (args->n - 1) * args->inner;
  const ELEMENT *x = (const ELEMENT *)args->input + start;
  ELEMENT *y = (ELEMENT *)args->output + start;
  bool is_product = args->function == APUSK_AXIS_CUMULATIVE_PRODUCT;
  SUM total = is_product ? 1 : 0;
  for (int64_t i = 0; i < args->n; i++) {
    SUM before = total, value = (SUM)x[i * step];
    total = is_product ? total * value : total + value;
    y[i * step] = (ELEMENT)(args->exclusive ? before : total);
  }
}

#if IS_FLOAT
static void AXIS_NAME(hardmax)(const apusk_axis_args *args, int64_t start, int64_t row) {
  (void)row;
  int64_t place = AXIS_NAME(place_of_extreme)((const ELEMENT *)args->input + start, args->n, args->inner, 0, 0);
  ELEMENT *y = (ELEMENT *)args->output + start;
  for (int64_t i = 0; i < args->n; i++) y[i * args->inner] = i == place;
}

static void AXIS_NAME(lp_normalize)(const apusk_axis_args *args, int64_t start, int64_t row) {
  (void)row;
  const ELEMENT *x = (const ELEMENT *)args->input + start;
  ELEMENT *y = (ELEMENT *)args->output + start;
  ELEMENT lanes[16] = {0};
  for (int64_t i = 0; i < args->n; i++) {
    ELEMENT value = x[i * args->inner];
    lanes[i % 16] += args->p == 1 ? (value < 0 ? -value : value) : value * value;
  }
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
  }
  ELEMENT norm = args->p == 1 ? lanes[0] : (ELEMENT)sqrt((double)lanes[0]);
  for (int64_t i = 0; i < args->n; i++) y[i * args->inner] = norm == 0 ? 0 : x[i * args->inner] / norm;
}
#endif

// ---- the k largest -------------------------------------------------------------------------------------------------------

typedef struct AXIS_NAME(entry) {
  ELEMENT value;
  int64_t index;
} AXIS_NAME(entry);

// Whether a comes before b in the result.
static bool AXIS_NAME(precedes)(AXIS_NAME(entry) a, AXIS_NAME(entry) b, bool smallest) {
  if (IS_NAN(a.value) || IS_NAN(b.value)) {
    if (IS_NAN(a.value) && IS_NAN(b.value)) return a.index < b.index;
    return IS_NAN(a.value) != smallest;
  }
  if (a.value == b.value) return a.index < b.index;
  return smallest ? a.value < b.value : a.value > b.value;
}

// Restores a heap of `count` entries, whose root is the last of the result, after its entry `hole` was replaced by `entry`.
static void AXIS_NAME(sift)(AXIS_NAME(entry) *heap, int64_t count, int64_t hole, AXIS_NAME(entry) entry, bool smallest) {
  for (;;) {
    int64_t child = 2 * hole + 1;
    if (child >= count) break;
    if (child + 1 < count && AXIS_NAME(precedes)(heap[child], heap[child + 1], smallest)) child++;
    if (!AXIS_NAME(precedes)(entry, heap[child], smallest)) break;
    heap[hole] = heap[child];
    hole = child;
  }
  heap[hole] = entry;
}

static void AXIS_NAME(top_k)(const apusk_top_k_args *args, int64_t start, int64_t target, void *scratch) {
  const ELEMENT *x = (const ELEMENT *)args->input + start;
  AXIS_NAME(entry) *heap = scratch;
  bool smallest = args->smallest;
  int64_t k = args->k;
  for (int64_t i = 0; i < k; i++) heap[i] = (AXIS_NAME(entry)){x[i * args->inner], i};
  for (int64_t i = k / 2 - 1; i >= 0; i--) AXIS_NAME(sift)(heap, k, i, heap[i], smallest);
  for (int64_t i = k; i < args->n; i++) {
    AXIS_NAME(entry) entry = {x[i * args->inner], i};
    if (AXIS_NAME(precedes)(entry, heap[0], smallest)) AXIS_NAME(sift)(heap, k, 0, entry, smallest);
  }
  ELEMENT *values = (ELEMENT *)args->values + target;
  for (int64_t i = k - 1; i >= 0; i--) {
    values[i * args->inner] = heap[0].value;
    args->indices[target + i * args->inner] = heap[0].index;
    AXIS_NAME(sift)(heap, i, 0, heap[i], smallest);
  }
}

#undef IS_NAN
