// Template: a row of attention scores to weights. T is the element type.

// Adds the mask and shuts out the keys that do not take part. Returns whether one is left.
static int APUSK_NAME(masked)(const apusk_attention_weights_args *args, T *row, int64_t unit) {
  int64_t query = unit % args->queries, head = unit / args->queries % args->heads, batch = unit / args->queries / args->heads;
  const apusk_attention_mask *mask = &args->mask;
  apusk_key_range range = apusk_attention_range(mask, batch, query, args->keys);
  int64_t start = apusk_attention_mask_row(mask, batch, head, query);
  if (mask->mask && mask->mask_is_bool) {
    const uint8_t *values = (const uint8_t *)mask->mask + start;
    for (int64_t j = range.first; j < range.end; j++) {
      if (!values[j * mask->mask_key]) row[j] = -(T)INFINITY;
    }
  } else if (mask->mask) {
    const T *values = (const T *)mask->mask + start;
    for (int64_t j = range.first; j < range.end; j++) row[j] += values[j * mask->mask_key];
  }
  for (int64_t j = 0; j < range.first; j++) row[j] = -(T)INFINITY;
  for (int64_t j = range.end; j < args->keys; j++) row[j] = -(T)INFINITY;
  for (int64_t j = range.first; j < range.end; j++) {
    if (!(row[j] == -(T)INFINITY)) return 1;
  }
  return 0;
}

static int32_t APUSK_NAME(weights)(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_attention_weights_args *args = args_;
  (void)worker;
  size_t bytes = sizeof(T) * (size_t)args->keys;
  for (int64_t unit = begin; unit < end; unit++) {
    T *row = (T *)args->weights + unit * args->keys;
    T *stage = args->stage ? (T *)args->stage + unit * args->keys : NULL;
    if (args->weights != args->scores) memcpy(row, (const T *)args->scores + unit * args->keys, bytes);
    if (args->softcap > 0) APUSK_NAME(softcap)(row, args->keys, args->softcap);
    if (stage && args->stage_kind == APUSK_ATTENTION_STAGE_CAPPED) memcpy(stage, row, bytes);
    int any = APUSK_NAME(masked)(args, row, unit);
    if (stage && args->stage_kind == APUSK_ATTENTION_STAGE_BIASED) memcpy(stage, row, bytes);
    if (!any && args->zero_empty_rows) {
      memset(row, 0, bytes);
    } else {
      APUSK_NAME(softmax)(row, args->keys);
    }
  }
  return 0;
}
#undef T
#undef APUSK_NAME
