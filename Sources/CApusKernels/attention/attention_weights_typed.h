// Template: a row of attention scores to weights. T is the element type; SOFTCAP(row, n, cap) and SOFTMAX(row, n) do a row in
// place.

// Adds the mask and shuts out the keys that do not take part. Returns whether one is left.
static int APUSK_NAME(masked)(const apusk_attention_weights_args *args, T *row, int64_t unit) {
  int64_t query = unit % args->queries, head = unit / args->queries % args->heads, batch = unit / args->queries / args->heads;
  int64_t end = args->keys, first = 0;
  int64_t mask = batch * args->mask_batch + head * args->mask_head + query * args->mask_query;
  if (args->mask && args->mask_keys < end) end = args->mask_keys;
  if (args->valid_keys && args->valid_keys[batch] < end) end = args->valid_keys[batch] < 0 ? 0 : args->valid_keys[batch];
  int64_t diagonal = query + (args->offsets ? args->offsets[batch] : args->causal_offset);
  if (args->is_causal && diagonal + 1 < end) end = diagonal + 1 < 0 ? 0 : diagonal + 1;
  if (args->window > 0 && diagonal - args->window + 1 > 0) first = diagonal - args->window + 1;
  if (first > end) first = end;
  if (args->mask && args->mask_is_bool) {
    const uint8_t *values = (const uint8_t *)args->mask + mask;
    for (int64_t j = first; j < end; j++) {
      if (!values[j * args->mask_key]) row[j] = -(T)INFINITY;
    }
  } else if (args->mask) {
    const T *values = (const T *)args->mask + mask;
    for (int64_t j = first; j < end; j++) row[j] += values[j * args->mask_key];
  }
  for (int64_t j = 0; j < first; j++) row[j] = -(T)INFINITY;
  for (int64_t j = end; j < args->keys; j++) row[j] = -(T)INFINITY;
  for (int64_t j = first; j < end; j++) {
    if (!(row[j] == -(T)INFINITY)) return 1;
  }
  return 0;
}

static void APUSK_NAME(run)(const apusk_attention_weights_args *args, int64_t begin, int64_t end,
                            void (*softcap)(T *, int64_t, float), void (*softmax)(T *, int64_t)) {
  size_t bytes = sizeof(T) * (size_t)args->keys;
  for (int64_t unit = begin; unit < end; unit++) {
    T *row = (T *)args->weights + unit * args->keys;
    T *stage = args->stage ? (T *)args->stage + unit * args->keys : NULL;
    if (args->weights != args->scores) memcpy(row, (const T *)args->scores + unit * args->keys, bytes);
    if (args->softcap > 0) softcap(row, args->keys, args->softcap);
    if (stage && args->stage_kind == APUSK_ATTENTION_STAGE_CAPPED) memcpy(stage, row, bytes);
    int any = APUSK_NAME(masked)(args, row, unit);
    if (stage && args->stage_kind == APUSK_ATTENTION_STAGE_BIASED) memcpy(stage, row, bytes);
    if (!any && args->zero_empty_rows) {
      memset(row, 0, bytes);
    } else {
      softmax(row, args->keys);
    }
  }
}
#undef T
#undef APUSK_NAME
