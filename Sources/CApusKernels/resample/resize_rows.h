// Template: Resize of elements of type ELEMENT with sums of type SUM. NAME is the kernel's name, TO_ELEMENT(x) rounds a sum to an
// element, WEIGHT is the tap's weight in that type, IS_SAME is 1 where ELEMENT is SUM: then rows are used where they lie.

#define CONCATENATE2(a, b) a##b
#define CONCATENATE(a, b) CONCATENATE2(a, b)
#define ADD_ROW CONCATENATE(NAME, _add_row)
#define BLEND_COLUMNS CONCATENATE(NAME, _blend_columns)
#define BLEND_PIXELS CONCATENATE(NAME, _blend_pixels)
#define BLEND_PAIRS CONCATENATE(NAME, _blend_pairs)
#define BLEND_SINGLES CONCATENATE(NAME, _blend_singles)
#define BLEND_ROWS CONCATENATE(NAME, _blend_rows)
#define STORE CONCATENATE(NAME, _store)

// sums (+)= weight * row.
static inline void ADD_ROW(SUM *restrict sums, const ELEMENT *restrict row, SUM weight, int64_t count, int is_first) {
  if (is_first) {
    for (int64_t i = 0; i < count; i++) sums[i] = weight * (SUM)row[i];
  } else {
    for (int64_t i = 0; i < count; i++) sums[i] += weight * (SUM)row[i];
  }
}

// The sums of an output row before its columns are blended; 0 where the row lies outside of the input.
static inline int BLEND_ROWS(const apusk_resize_args *args, const ELEMENT *input, int64_t y, SUM *sums) {
  int64_t row = args->input_width * args->inner;
  const apusk_resize_tap *taps = args->row_taps + y * args->row_tap_count;
  if (taps->index < 0) return 0;
  int is_first = 1;
  for (int32_t k = 0; k < args->row_tap_count; k++) {
    // An element without weight does not count, be it infinite.
    if (taps[k].weight == 0) continue;
    ADD_ROW(sums, input + taps[k].index * row, taps[k].WEIGHT, row, is_first);
    is_first = 0;
  }
  if (is_first) memset(sums, 0, (size_t)row * sizeof(SUM));
  return 1;
}

// Sums of one output row with pixels of `inner` elements, which the callers below make a constant where it is small.
static inline __attribute__((always_inline)) void BLEND_PIXELS(
    const apusk_resize_args *args, const SUM *restrict row, SUM *restrict output, int64_t inner) {
  int32_t count = args->column_tap_count;
  const apusk_resize_tap *taps = args->column_taps;
  for (int64_t x = 0; x < args->output_width; x++, taps += count, output += inner) {
    if (taps->index < 0) {
      for (int64_t i = 0; i < inner; i++) output[i] = (SUM)args->extrapolation;
      continue;
    }
    const SUM *first = row + taps[0].index * inner;
    for (int64_t i = 0; i < inner; i++) output[i] = taps[0].WEIGHT * first[i];
    for (int32_t k = 1; k < count; k++) {
      const SUM *source = row + taps[k].index * inner;
      SUM weight = taps[k].WEIGHT;
      for (int64_t i = 0; i < inner; i++) output[i] += weight * source[i];
    }
  }
}

// The plain image: one element a pixel, two taps. Vectors would have to be gathered, which takes longer than single loads.
static inline void BLEND_PAIRS(const apusk_resize_args *args, const SUM *restrict row, SUM *restrict output) {
  const apusk_resize_tap *taps = args->column_taps;
#pragma clang loop vectorize(disable)
  for (int64_t x = 0; x < args->output_width; x++, taps += 2) {
    output[x] = taps[0].index < 0
        ? (SUM)args->extrapolation
        : taps[0].WEIGHT * row[taps[0].index] + taps[1].WEIGHT * row[taps[1].index];
  }
}

static inline __attribute__((always_inline)) void BLEND_SINGLES(
    const apusk_resize_args *args, const SUM *restrict row, SUM *restrict output) {
  int32_t count = args->column_tap_count;
  const apusk_resize_tap *taps = args->column_taps;
#pragma clang loop vectorize(disable)
  for (int64_t x = 0; x < args->output_width; x++, taps += count) {
    SUM sum = (SUM)args->extrapolation;
    if (taps[0].index >= 0) {
      sum = taps[0].WEIGHT * row[taps[0].index];
      for (int32_t k = 1; k < count; k++) sum += taps[k].WEIGHT * row[taps[k].index];
    }
    output[x] = sum;
  }
}

static inline void BLEND_COLUMNS(const apusk_resize_args *args, const SUM *restrict row, SUM *restrict output) {
  switch (args->inner) {
    case 1:
      if (args->column_tap_count == 2) {
        BLEND_PAIRS(args, row, output);
      } else {
        BLEND_SINGLES(args, row, output);
      }
      break;
    case 3: BLEND_PIXELS(args, row, output, 3); break;
    case 4: BLEND_PIXELS(args, row, output, 4); break;
    default: BLEND_PIXELS(args, row, output, args->inner); break;
  }
}

static inline void STORE(ELEMENT *restrict output, const SUM *restrict row, int64_t count) {
  for (int64_t i = 0; i < count; i++) output[i] = TO_ELEMENT(row[i]);
}

static int32_t NAME(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_resize_args *args = args_;
  int64_t input_row = args->input_width * args->inner, output_row = args->output_width * args->inner;
  SUM *sums = worker->scratch, *results = sums + input_row;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t y = unit % args->output_height;
    const ELEMENT *input = (const ELEMENT *)args->input + unit / args->output_height * args->input_height * input_row;
    ELEMENT *output = (ELEMENT *)args->output + unit * output_row;
    const SUM *row = sums;
    if (args->row_taps) {
      if (!BLEND_ROWS(args, input, y, sums)) {
        for (int64_t i = 0; i < output_row; i++) output[i] = TO_ELEMENT((SUM)args->extrapolation);
        continue;
      }
    } else {
#if IS_SAME
      row = input + y * input_row;
#else
      for (int64_t i = 0; i < input_row; i++) sums[i] = (SUM)input[y * input_row + i];
#endif
    }
#if IS_SAME
    if (args->column_taps) {
      BLEND_COLUMNS(args, row, output);
    } else {
      memcpy(output, row, (size_t)output_row * sizeof(ELEMENT));
    }
#else
    if (args->column_taps) {
      BLEND_COLUMNS(args, row, results);
      row = results;
    }
    STORE(output, row, output_row);
#endif
  }
  (void)results;
  return 0;
}

#undef STORE
#undef BLEND_ROWS
#undef BLEND_COLUMNS
#undef BLEND_PIXELS
#undef BLEND_PAIRS
#undef BLEND_SINGLES
#undef ADD_ROW
#undef CONCATENATE
#undef CONCATENATE2
#undef NAME
#undef ELEMENT
#undef SUM
#undef WEIGHT
#undef TO_ELEMENT
#undef IS_SAME
