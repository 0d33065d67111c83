// Template: rows of queries side by side in lanes. Scores and outputs are transposed: keys and values are read where they lie
// as the left operands of the micro-kernels, scores [keys, lanes] are the packed right operand of the second product, and all
// of softmax goes down the lanes.

// The lanes of one panel: rows first ..< first + count, `width` of them (16 or 32) in memory.
typedef struct lane_panel {
  const apusk_attention_rows *rows;
  int64_t first, count, width;
  float *queries;  // [size, width]
  float *scores;   // [APUSK_ATTENTION_KEYS, width]
  float *output;   // [value_size, width]
  float *largest;  // [width]
  float *sum;      // [width]
  float *keys;     // a copy of a block of keys, where they lie badly
} lane_panel;

// Rows of A against the panel's right operand `b`.
APUSK_INLINE void multiply(const apusk_gemm_isa *gemm, apusk_tile tile, int64_t rows, float *c, int64_t width) {
  int64_t tiles = apusk_divide_up(rows, gemm->kernels.mr);
  tile.runs_y = 1;
  tile.c = c;
  tile.c_row = width;
  tile.width = (int32_t)width;
  for (int64_t i = 0; i < tiles; i++) {
    tile.rows = (int32_t)apusk_tile_rows(rows, tiles, i);
    gemm->tile(&tile);
    tile.a += tile.rows * tile.a_row;
    tile.c += tile.rows * width;
  }
}

static void begin_panel(const lane_panel *panel) {
  const apusk_attention_f32_args *args = panel->rows->args;
  int64_t width = panel->width;
  for (int64_t lane = 0; lane < width; lane++) {
    const float *q = lane < panel->count ? panel->rows->q[panel->first + lane] : NULL;
    for (int64_t d = 0; d < args->size; d++) panel->queries[d * width + lane] = q ? args->scale * q[d] : 0.0f;
    panel->largest[lane] = -INFINITY;
    panel->sum[lane] = 0.0f;
  }
  memset(panel->output, 0, sizeof(float) * (size_t)(args->value_size * width));
}

static void score_keys(const lane_panel *panel, int64_t key, int64_t count) {
  const apusk_attention_f32_args *args = panel->rows->args;
  const float *k = panel->rows->k + key * args->k_row;
  int64_t row = args->k_row;
  if (row % 256 == 0) {  // rows of one micro-kernel would fall into one set of the cache
    int64_t padded = ((args->size + 15) & ~(int64_t)15) + APUSK_ATTENTION_KEY_PADDING;
    for (int64_t i = 0; i < count; i++) memcpy(panel->keys + i * padded, k + i * row, sizeof(float) * (size_t)args->size);
    k = panel->keys;
    row = padded;
  }
  apusk_tile tile = {.a = k, .a_row = row, .runs_x = 1, .run = args->size, .b = panel->queries};
  multiply(&APUSK_ISA_NAME(apusk_gemm_isa), tile, count, panel->scores, panel->width);
}

static void cap_scores(const lane_panel *panel, int64_t count) {
  f32x16 cap = splat(panel->rows->args->softcap);
  for (int64_t i = 0; i < count * panel->width; i += APUSK_LANES) {
    store16(panel->scores + i, cap * tanh16(load16(panel->scores + i) / cap));
  }
}

static void mask_scores(const lane_panel *panel, int64_t key, int64_t count) {
  const apusk_attention_mask *mask = &panel->rows->args->mask;
  int64_t width = panel->width, step = mask->mask_key;
  if (key + count > mask->mask_keys) count = mask->mask_keys - key;  // the rest is outside of every row's range
  if (panel->rows->one_mask) {
    int64_t start = panel->rows->mask[0] + key * step;
    for (int64_t i = 0; i < count; i++) {
      float value = !mask->mask_is_bool ? ((const float *)mask->mask)[start + i * step]
                                        : ((const uint8_t *)mask->mask)[start + i * step] ? 0.0f : -INFINITY;
      float *row = panel->scores + i * width;
      for (int64_t lane = 0; lane < width; lane += APUSK_LANES) {
        f32x16 s = load16(row + lane);
        store16(row + lane, mask->mask_is_bool && value != 0.0f ? splat(value) : mask->mask_is_bool ? s : s + value);
      }
    }
    return;
  }
  for (int64_t lane = 0; lane < panel->count; lane++) {
    int64_t start = panel->rows->mask[panel->first + lane] + key * step;
    float *column = panel->scores + lane;
    if (mask->mask_is_bool) {
      const uint8_t *values = (const uint8_t *)mask->mask + start;
      for (int64_t i = 0; i < count; i++) column[i * width] = values[i * step] ? column[i * width] : -INFINITY;
    } else {
      const float *values = (const float *)mask->mask + start;
      for (int64_t i = 0; i < count; i++) column[i * width] += values[i * step];
    }
  }
}

// -inf where a key is outside of its row's range.
static void shut_out(const lane_panel *panel, int64_t key, int64_t count) {
  for (int64_t lane = 0; lane < panel->count; lane++) {
    apusk_key_range range = panel->rows->range[panel->first + lane];
    float *column = panel->scores + lane;
    int64_t first = range.first - key < count ? range.first - key : count, end = range.end - key > 0 ? range.end - key : 0;
    for (int64_t i = 0; i < first; i++) column[i * panel->width] = -INFINITY;
    for (int64_t i = end; i < count; i++) column[i * panel->width] = -INFINITY;
  }
}

// Scores to weights; what came before is scaled to the new largest score.
static void weigh(const lane_panel *panel, int64_t count) {
  int64_t width = panel->width, values = panel->rows->args->value_size;
  for (int64_t lane = 0; lane < width; lane += APUSK_LANES) {
    float *scores = panel->scores + lane;
    f32x16 before = load16(panel->largest + lane), largest = before;
    for (int64_t i = 0; i < count; i++) {
      f32x16 s = load16(scores + i * width);
      largest = s > largest ? s : largest;
    }
    f32x16 base = largest == -INFINITY ? splat(0.0f) : largest, block = splat(0.0f);
    for (int64_t i = 0; i < count; i++) {
      f32x16 w = exp_of_negative16(load16(scores + i * width) - base);
      store16(scores + i * width, w);
      block += w;
    }
    f32x16 factor = exp_of_negative16(before - base);
    store16(panel->largest + lane, largest);
    store16(panel->sum + lane, load16(panel->sum + lane) * factor + block);
    for (int64_t d = 0; d < values; d++) {
      store16(panel->output + d * width + lane, load16(panel->output + d * width + lane) * factor);
    }
  }
}

static void end_panel(const lane_panel *panel) {
  const apusk_attention_f32_args *args = panel->rows->args;
  for (int64_t lane = 0; lane < panel->count; lane++) {
    float sum = panel->sum[lane], factor = sum == 0.0f && args->zero_empty_rows ? 0.0f : 1.0f / sum;
    float *output = panel->rows->output[panel->first + lane];
    for (int64_t d = 0; d < args->value_size; d++) output[d] = panel->output[d * panel->width + lane] * factor;
  }
}

static void run_panel(const lane_panel *panel) {
  const apusk_attention_f32_args *args = panel->rows->args;
  apusk_key_range all = panel->rows->all;
  begin_panel(panel);
  for (int64_t key = all.first / APUSK_ATTENTION_KEYS * APUSK_ATTENTION_KEYS; key < all.end; key += APUSK_ATTENTION_KEYS) {
    int64_t count = all.end - key < APUSK_ATTENTION_KEYS ? all.end - key : APUSK_ATTENTION_KEYS;
    score_keys(panel, key, count);
    if (args->softcap > 0.0f) cap_scores(panel, count);
    if (args->mask.mask) mask_scores(panel, key, count);
    shut_out(panel, key, count);
    weigh(panel, count);
    apusk_tile tile = {.a = panel->rows->v + key * args->v_row, .a_row = 1, .a_x = args->v_row, .runs_x = count, .run = 1,
                       .b = panel->scores, .resume = true};
    multiply(&APUSK_ISA_NAME(apusk_gemm_isa), tile, args->value_size, panel->output, panel->width);
  }
  end_panel(panel);
}

static void wide(const apusk_attention_rows *rows, float *scratch) {
  const apusk_attention_f32_args *args = rows->args;
  for (int64_t first = 0; first < rows->count;) {
    int64_t left = rows->count - first, width = left > 16 ? APUSK_ISA_NAME(apusk_gemm_isa).kernels.nr : 16;
    lane_panel panel = {.rows = rows, .first = first, .width = width, .count = left < width ? left : width};
    panel.queries = scratch;
    panel.scores = panel.queries + args->size * panel.width;
    panel.output = panel.scores + APUSK_ATTENTION_KEYS * panel.width;
    panel.largest = panel.output + args->value_size * panel.width;
    panel.sum = panel.largest + panel.width;
    panel.keys = panel.sum + panel.width;
    run_panel(&panel);
    first += panel.count;
  }
}
