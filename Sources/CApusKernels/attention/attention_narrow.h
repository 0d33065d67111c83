// Template: few rows of queries, each read row of keys and values once for all: what is bound by memory.

static void score_row(const float *q, const float *k, int64_t k_row, int64_t count, int64_t size, float *scores) {
  int64_t whole = size & ~(int64_t)(APUSK_LANES - 1);
  for (int64_t i = 0; i < count; i++, k += k_row) {
    f32x16 lanes = splat(0.0f);
    for (int64_t d = 0; d < whole; d += APUSK_LANES) lanes = fma16(load16(q + d), load16(k + d), lanes);
    if (whole < size) lanes = fma16(load16(q + whole), load_part(k + whole, size - whole), lanes);
    scores[i] = sum_of_lanes(lanes);
  }
}

static void mask_row(const apusk_attention_rows *rows, int64_t row, int64_t key, int64_t count, float *scores) {
  const apusk_attention_mask *mask = &rows->args->mask;
  int64_t first = rows->range[row].first - key, end = rows->range[row].end - key, step = mask->mask_key;
  first = first < 0 ? 0 : first > count ? count : first;
  end = end < first ? first : end > count ? count : end;
  for (int64_t i = 0; i < first; i++) scores[i] = -INFINITY;
  // To a whole vector: softcap may have made numbers of what is beyond.
  for (int64_t i = end; i < ((count + APUSK_LANES - 1) & ~(int64_t)(APUSK_LANES - 1)); i++) scores[i] = -INFINITY;
  if (!mask->mask) return;
  int64_t start = rows->mask[row] + key * step;
  if (mask->mask_is_bool) {
    const uint8_t *values = (const uint8_t *)mask->mask + start;
    for (int64_t i = first; i < end; i++) scores[i] = values[i * step] ? scores[i] : -INFINITY;
  } else {
    const float *values = (const float *)mask->mask + start;
    for (int64_t i = first; i < end; i++) scores[i] += values[i * step];
  }
}

// Scores, to a whole vector, to weights. Returns the sum of the block's.
static float weigh_row(float *scores, int64_t count, float *largest, float *factor) {
  f32x16 most = splat(*largest), lanes = splat(0.0f);
  for (int64_t i = 0; i < count; i += APUSK_LANES) {
    f32x16 s = load16(scores + i);
    most = s > most ? s : most;
  }
  float before = *largest, top = most[0];
  for (int lane = 1; lane < APUSK_LANES; lane++) top = most[lane] > top ? most[lane] : top;
  *largest = top;
  float base = top == -INFINITY ? 0.0f : top;
  for (int64_t i = 0; i < count; i += APUSK_LANES) {
    f32x16 w = exp_of_negative16(load16(scores + i) - base);
    store16(scores + i, w);
    lanes += w;
  }
  *factor = exp_of_negative16(splat(before - base))[0];
  return sum_of_lanes(lanes);
}

// output = output * factor + weights . V, 64 columns at a time, then 16.
static void add_values(const float *weights, const float *v, int64_t v_row, int64_t count, int64_t values, float factor,
                       float *output) {
  int64_t d = 0;
  for (; d + 4 * APUSK_LANES <= values; d += 4 * APUSK_LANES) {
    f32x16 sums[4] = {splat(0.0f), splat(0.0f), splat(0.0f), splat(0.0f)};
    for (int64_t i = 0; i < count; i++) {
#pragma clang loop unroll(full)
      for (int j = 0; j < 4; j++) sums[j] = fma16(splat(weights[i]), load16(v + i * v_row + d + j * APUSK_LANES), sums[j]);
    }
#pragma clang loop unroll(full)
    for (int j = 0; j < 4; j++) {
      float *at = output + d + j * APUSK_LANES;
      store16(at, load16(at) * factor + sums[j]);
    }
  }
  for (; d < values; d += APUSK_LANES) {
    f32x16 sum = splat(0.0f);
    for (int64_t i = 0; i < count; i++) sum = fma16(splat(weights[i]), load_lanes(v + i * v_row + d, values - d), sum);
    store16(output + d, load16(output + d) * factor + sum);
  }
}

static void narrow(const apusk_attention_rows *rows, float *scratch) {
  const apusk_attention_f32_args *args = rows->args;
  int64_t size = (args->size + 15) & ~(int64_t)15, values = (args->value_size + 15) & ~(int64_t)15;
  float *queries = scratch, *outputs = queries + APUSK_ATTENTION_NARROW * size;
  float *scores = outputs + APUSK_ATTENTION_NARROW * values;
  float largest[APUSK_ATTENTION_NARROW], sum[APUSK_ATTENTION_NARROW];
  memset(scratch, 0, sizeof(float) * (size_t)(APUSK_ATTENTION_NARROW * (size + values)));
  for (int64_t row = 0; row < rows->count; row++) {
    for (int64_t d = 0; d < args->size; d++) queries[row * size + d] = args->scale * rows->q[row][d];
    largest[row] = -INFINITY;
    sum[row] = 0.0f;
  }
  apusk_key_range all = rows->all;
  for (int64_t key = all.first / APUSK_ATTENTION_KEYS * APUSK_ATTENTION_KEYS; key < all.end; key += APUSK_ATTENTION_KEYS) {
    int64_t count = all.end - key < APUSK_ATTENTION_KEYS ? all.end - key : APUSK_ATTENTION_KEYS;
    for (int64_t row = 0; row < rows->count; row++) {
      score_row(queries + row * size, rows->k + key * args->k_row, args->k_row, count, args->size, scores);
      if (args->softcap > 0.0f) {
        for (int64_t i = 0; i < count; i += APUSK_LANES) {
          store16(scores + i, args->softcap * tanh16(load16(scores + i) / args->softcap));
        }
      }
      mask_row(rows, row, key, count, scores);
      float factor, block = weigh_row(scores, count, &largest[row], &factor);
      sum[row] = sum[row] * factor + block;
      add_values(scores, rows->v + key * args->v_row, args->v_row, count, args->value_size, factor, outputs + row * values);
    }
  }
  for (int64_t row = 0; row < rows->count; row++) {
    float factor = sum[row] == 0.0f && args->zero_empty_rows ? 0.0f : 1.0f / sum[row];
    for (int64_t d = 0; d < args->value_size; d++) rows->output[row][d] = outputs[row * values + d] * factor;
  }
}
