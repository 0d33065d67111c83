// Template: a row of sums of products. T is the element type, WIDE the type of alpha and beta's
// arithmetic, WIDENED and NARROWED the ways there and back, APUSK_NAME a function's name.

// sums[j] += product over the last summed axis, for `count` neighbours of the result.
static void APUSK_NAME(add_products)(T *sums, int64_t count, const T *a, int64_t a_step, int64_t a_sum, const T *b,
                                     int64_t b_step, int64_t b_sum, int64_t length) {
  if (!b) {
    for (int64_t r = 0; r < length; r++) {
      for (int64_t j = 0; j < count; j++) sums[j] += a[r * a_sum + j * a_step];
    }
  } else if (a_step == 0 && b_step == 1) {
    for (int64_t r = 0; r < length; r++) {
      const T factor = a[r * a_sum];
      const T *row = b + r * b_sum;
      for (int64_t j = 0; j < count; j++) sums[j] += factor * row[j];
    }
  } else {
    for (int64_t r = 0; r < length; r++) {
      for (int64_t j = 0; j < count; j++) sums[j] += a[r * a_sum + j * a_step] * b[r * b_sum + j * b_step];
    }
  }
}

static void APUSK_NAME(finish)(const apusk_contract_args *args, T *output, const T *sums, const T *c, int64_t c_step,
                               int64_t count) {
  if (args->alpha == 1.0f && (!c || args->beta == 1.0f)) {
    for (int64_t j = 0; j < count; j++) output[j] = c ? sums[j] + c[j * c_step] : sums[j];
    return;
  }
  for (int64_t j = 0; j < count; j++) {
    WIDE value = (WIDE)args->alpha * WIDENED(sums[j]);
    if (c) value += (WIDE)args->beta * WIDENED(c[j * c_step]);
    output[j] = (T)NARROWED(value);
  }
}

static int32_t APUSK_NAME(run)(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_contract_args *args = args_;
  (void)worker;
  int32_t last = args->rank - 1, last_sum = args->sum_rank - 1;
  int64_t columns = args->shape[last];
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t row = unit / args->row_blocks, column = unit % args->row_blocks * block_columns;
    int64_t count = columns - column < block_columns ? columns - column : block_columns;
    int64_t a = column * args->a_strides[last], b = column * args->b_strides[last], c = column * args->c_strides[last];
    int64_t rest = row;
    for (int32_t d = last - 1; d >= 0; d--) {
      int64_t index = rest % args->shape[d];
      rest /= args->shape[d];
      a += index * args->a_strides[d];
      b += index * args->b_strides[d];
      c += index * args->c_strides[d];
    }
    T sums[block_columns] = {0};
    int64_t index[APUSK_CONTRACT_RANK] = {0};
    for (int64_t i = 0; i < args->outer_sums; i++) {
      APUSK_NAME(add_products)(sums, count, (const T *)args->a + a, args->a_strides[last], args->a_sum_strides[last_sum],
                               args->b ? (const T *)args->b + b : NULL, args->b_strides[last], args->b_sum_strides[last_sum],
                               args->sum_shape[last_sum]);
      for (int32_t d = last_sum - 1; d >= 0; d--) {
        a += args->a_sum_strides[d];
        b += args->b_sum_strides[d];
        if (++index[d] < args->sum_shape[d]) break;
        a -= index[d] * args->a_sum_strides[d];
        b -= index[d] * args->b_sum_strides[d];
        index[d] = 0;
      }
    }
    APUSK_NAME(finish)(args, (T *)args->output + row * columns + column, sums, args->c ? (const T *)args->c + c : NULL,
                       args->c_strides[last], count);
  }
  return 0;
}
#undef T
#undef WIDE
#undef WIDENED
#undef NARROWED
#undef APUSK_NAME
