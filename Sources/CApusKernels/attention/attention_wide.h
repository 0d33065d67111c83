// Template: rows of queries side by side in lanes. Scores and outputs are transposed: keys and values are read where they lie,
// element by element for all lanes, scores [keys, lanes] are the right operand of the second product as they are, and all of
// softmax goes down the lanes.

// Sums that a tile holds, rows by vectors: as many as registers allow and as the latency of fma needs.
#if APUSK_ISA == 2
#define TILE_ROWS 8
#define LANE_WIDTH 32
#else
#define TILE_ROWS (APUSK_ISA == 1 ? 4 : 1)
#define LANE_WIDTH 16
#endif

// The lanes of one panel: rows first ..< first + count, `width` of them (16 or 32) in memory.
typedef struct lane_panel {
  const apusk_attention_rows *rows;
  int64_t first, count, width;
  float *queries;  // [size, width]
  float *scores;   // [APUSK_ATTENTION_KEYS, width]
  float *output;   // [value_size, width]
  float *largest;  // [width]
  float *sum;      // [width]
  float *factor;   // [width]: what the output so far is worth beside the next block
} lane_panel;

// What happens to the sums of a product on their way to memory.
typedef struct lane_tail {
  const float *factor;  // for each lane, or NULL: the sums are added to factor times what is in memory
  const float *shift;   // for each row, or NULL: added to the sums
  float *largest;       // for each lane, or NULL: raised to the sums
} lane_tail;

// rows x lanes sums over `depth` elements, each a chain of fmas from +0. Element p of row i is a[i * a_row + p * a_k]; row p of
// the right operand is b[p * width].
APUSK_INLINE void tile(const int rows, const int vectors, const float *a, int64_t a_row, int64_t a_k, int64_t depth,
                       const float *b, int64_t width, const lane_tail *tail, int64_t row, float *c) {
  f32x16 sums[TILE_ROWS][2];
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) sums[i][0] = sums[i][1] = splat(0.0f);
  for (int64_t p = 0; p < depth; p++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      f32x16 value = splat(a[i * a_row]);
      sums[i][0] = fma16(value, load16(b), sums[i][0]);
      if (vectors == 2) sums[i][1] = fma16(value, load16(b + APUSK_LANES), sums[i][1]);
    }
    a += a_k;
    b += width;
  }
  if (tail->factor) {
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
      for (int j = 0; j < vectors; j++) {
        sums[i][j] = load16(c + i * width + j * APUSK_LANES) * load16(tail->factor + j * APUSK_LANES) + sums[i][j];
      }
    }
  }
  if (tail->shift) {
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      f32x16 shift = splat(tail->shift[row + i]);
#pragma clang loop unroll(full)
      for (int j = 0; j < vectors; j++) sums[i][j] += shift;
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) store16(c + i * width + j * APUSK_LANES, sums[i][j]);
  }
  if (tail->largest) {
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) {
      f32x16 largest = load16(tail->largest + j * APUSK_LANES);
#pragma clang loop unroll(full)
      for (int i = 0; i < rows; i++) largest = sums[i][j] > largest ? sums[i][j] : largest;
      store16(tail->largest + j * APUSK_LANES, largest);
    }
  }
}

// All `rows` rows of the left operand.
static void multiply(const float *a, int64_t a_row, int64_t a_k, int64_t rows, int64_t depth, const float *b, int64_t width,
                     const lane_tail *tail, float *c) {
  int64_t i = 0;
#if LANE_WIDTH == 32
  if (width == LANE_WIDTH) {
    for (; i + TILE_ROWS <= rows; i += TILE_ROWS) {
      // Rows of keys, which heads between them put into few sets of the first-level cache: those of the next tile.
      for (int64_t r = i + TILE_ROWS; a_k == 1 && r < i + 2 * TILE_ROWS; r++) {
        for (int64_t p = 0; p < depth; p += 16) __builtin_prefetch(a + r * a_row + p);
      }
      tile(TILE_ROWS, 2, a + i * a_row, a_row, a_k, depth, b, width, tail, i, c + i * width);
    }
    for (; i < rows; i++) tile(1, 2, a + i * a_row, a_row, a_k, depth, b, width, tail, i, c + i * width);
    return;
  }
#endif
  for (; i + TILE_ROWS <= rows; i += TILE_ROWS) {
    tile(TILE_ROWS, 1, a + i * a_row, a_row, a_k, depth, b, width, tail, i, c + i * width);
  }
  for (; i < rows; i++) tile(1, 1, a + i * a_row, a_row, a_k, depth, b, width, tail, i, c + i * width);
}

// The 16 x 16 matrix of rows m, transposed.
static __attribute__((noinline)) void transpose(f32x16 m[APUSK_LANES]) {
#if APUSK_ISA == 0
  float *values = (float *)m;
  for (int i = 1; i < APUSK_LANES; i++) {
    for (int j = 0; j < i; j++) {
      float value = values[i * APUSK_LANES + j];
      values[i * APUSK_LANES + j] = values[j * APUSK_LANES + i];
      values[j * APUSK_LANES + i] = value;
    }
  }
#else
// Blocks of `size` columns of rows `size` apart change places across the diagonal.
#define SHUFFLED(...) __builtin_shufflevector(upper, lower, __VA_ARGS__)
#define EXCHANGE(size, new_upper, new_lower)                                     \
  _Pragma("clang loop unroll(full)") for (int i = 0; i < APUSK_LANES; i++) {     \
    if ((i & size) == 0) {                                                       \
      f32x16 upper = m[i], lower = m[i + size];                                  \
      m[i] = new_upper;                                                          \
      m[i + size] = new_lower;                                                   \
    }                                                                            \
  }
  EXCHANGE(8, SHUFFLED(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
           SHUFFLED(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
  EXCHANGE(4, SHUFFLED(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27),
           SHUFFLED(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
  EXCHANGE(2, SHUFFLED(0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
           SHUFFLED(2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
  EXCHANGE(1, SHUFFLED(0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30),
           SHUFFLED(1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))
#undef SHUFFLED
#undef EXCHANGE
#endif
}

static void begin_panel(const lane_panel *panel) {
  const apusk_attention_f32_args *args = panel->rows->args;
  int64_t width = panel->width, size = args->size;
  f32x16 m[APUSK_LANES];
  for (int64_t lane = 0; lane < width; lane += APUSK_LANES) {
    int64_t rows = panel->count - lane;
    for (int64_t d = 0; d < size; d += APUSK_LANES) {
      for (int64_t i = 0; i < APUSK_LANES; i++) {
        m[i] = i < rows ? args->scale * load_lanes(panel->rows->q[panel->first + lane + i] + d, size - d) : splat(0.0f);
      }
      transpose(m);
      for (int64_t i = 0; i < APUSK_LANES && d + i < size; i++) store16(panel->queries + (d + i) * width + lane, m[i]);
    }
    store16(panel->largest + lane, splat(-INFINITY));
    store16(panel->sum + lane, splat(0.0f));
  }
}

static void end_panel(const lane_panel *panel) {
  const apusk_attention_f32_args *args = panel->rows->args;
  int64_t width = panel->width, size = args->value_size;
  f32x16 m[APUSK_LANES];
  for (int64_t lane = 0; lane < panel->count; lane += APUSK_LANES) {
    f32x16 sum = load16(panel->sum + lane), factor = 1.0f / sum;
    if (args->zero_empty_rows) factor = sum == 0.0f ? splat(0.0f) : factor;
    for (int64_t d = 0; d < size; d += APUSK_LANES) {
      for (int64_t i = 0; i < APUSK_LANES; i++) {
        m[i] = d + i < size ? load16(panel->output + (d + i) * width + lane) * factor : splat(0.0f);
      }
      transpose(m);
      for (int64_t i = 0; i < APUSK_LANES && lane + i < panel->count; i++) {
        store_lanes(panel->rows->output[panel->first + lane + i] + d, m[i], size - d);
      }
    }
  }
}

static void cap_scores(const lane_panel *panel, int64_t count) {
  f32x16 cap = splat(panel->rows->args->softcap);
  for (int64_t i = 0; i < count * panel->width; i += APUSK_LANES) {
    store16(panel->scores + i, cap * tanh16(load16(panel->scores + i) / cap));
  }
}

// The mask of block `key`, of numbers that all rows have in common: what a score of each key is shifted by.
static void shifts_of(const apusk_attention_rows *rows, int64_t key, int64_t count, float *shifts) {
  const apusk_attention_mask *mask = &rows->args->mask;
  const float *values = (const float *)mask->mask + rows->mask[0] + key * mask->mask_key;
  for (int64_t i = 0; i < count; i++) shifts[i] = key + i < mask->mask_keys ? values[i * mask->mask_key] : 0.0f;
}

static void mask_scores(const lane_panel *panel, int64_t key, int64_t count) {
  const apusk_attention_mask *mask = &panel->rows->args->mask;
  int64_t width = panel->width, step = mask->mask_key;
  if (key + count > mask->mask_keys) count = mask->mask_keys - key;  // the rest is outside of every row's range
  if (panel->rows->one_mask && mask->mask_is_bool) {
    const uint8_t *values = (const uint8_t *)mask->mask + panel->rows->mask[0] + key * step;
    for (int64_t i = 0; i < count; i++) {
      for (int64_t lane = 0; lane < width && !values[i * step]; lane += APUSK_LANES) {
        store16(panel->scores + i * width + lane, splat(-INFINITY));
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

static void find_largest(const lane_panel *panel, int64_t count, float *found) {
  for (int64_t lane = 0; lane < panel->width; lane += APUSK_LANES) {
    f32x16 largest = load16(found + lane);
    for (int64_t i = 0; i < count; i++) {
      f32x16 s = load16(panel->scores + i * panel->width + lane);
      largest = s > largest ? s : largest;
    }
    store16(found + lane, largest);
  }
}

// Scores to weights, and the factor that scales what came before to the new largest score, which is the larger of the one
// before and of `found`.
static void weigh(const lane_panel *panel, int64_t count, const float *found) {
  int64_t width = panel->width;
  for (int64_t lane = 0; lane < width; lane += APUSK_LANES) {
    float *scores = panel->scores + lane;
    f32x16 before = load16(panel->largest + lane), largest = load16(found + lane);
    f32x16 base = largest == -INFINITY ? splat(0.0f) : largest, block = splat(0.0f);
    for (int64_t i = 0; i < count; i++) {
      f32x16 w = exp_of_negative16(load16(scores + i * width) - base);
      store16(scores + i * width, w);
      block += w;
    }
    f32x16 factor = exp_of_negative16(before - base);
    store16(panel->largest + lane, largest);
    store16(panel->sum + lane, load16(panel->sum + lane) * factor + block);
    store16(panel->factor + lane, factor);
  }
}

static void run_panel(const lane_panel *panel) {
  const apusk_attention_f32_args *args = panel->rows->args;
  apusk_key_range all = panel->rows->all;
  int64_t first = all.first / APUSK_ATTENTION_KEYS * APUSK_ATTENTION_KEYS;
  bool masked = args->mask.mask, shifted = masked && args->softcap == 0.0f && panel->rows->one_mask && !args->mask.mask_is_bool;
  float shifts[APUSK_ATTENTION_KEYS], largest[LANE_WIDTH];
  begin_panel(panel);
  if (first >= all.end) memset(panel->output, 0, sizeof(float) * (size_t)(args->value_size * panel->width));
  for (int64_t key = first; key < all.end; key += APUSK_ATTENTION_KEYS) {
    int64_t count = all.end - key < APUSK_ATTENTION_KEYS ? all.end - key : APUSK_ATTENTION_KEYS;
    // Where nothing comes between a score and softmax the product finds the largest itself.
    bool final = args->softcap == 0.0f && masked == shifted && panel->rows->shared.first <= key &&
                 key + count <= panel->rows->shared.end;
    if (shifted) shifts_of(panel->rows, key, count, shifts);
    memcpy(largest, panel->largest, sizeof(float) * (size_t)panel->width);
    lane_tail tail = {.shift = shifted ? shifts : NULL, .largest = final ? largest : NULL};
    multiply(panel->rows->k + key * args->k_row, args->k_row, 1, count, args->size, panel->queries, panel->width, &tail,
             panel->scores);
    if (!final) {
      if (args->softcap > 0.0f) cap_scores(panel, count);
      if (masked && !shifted) mask_scores(panel, key, count);
      shut_out(panel, key, count);
      find_largest(panel, count, largest);
    }
    weigh(panel, count, largest);
    tail = (lane_tail){.factor = key == first ? NULL : panel->factor};
    multiply(panel->rows->v + key * args->v_row, 1, args->v_row, args->value_size, count, panel->scores, panel->width, &tail,
             panel->output);
  }
  end_panel(panel);
}

static void wide(const apusk_attention_rows *rows, float *scratch) {
  const apusk_attention_f32_args *args = rows->args;
  for (int64_t first = 0; first < rows->count;) {
    int64_t left = rows->count - first, width = left > 16 ? LANE_WIDTH : 16;
    lane_panel panel = {.rows = rows, .first = first, .width = width, .count = left < width ? left : width};
    panel.queries = scratch;
    panel.scores = panel.queries + args->size * panel.width;
    panel.output = panel.scores + APUSK_ATTENTION_KEYS * panel.width;
    panel.largest = panel.output + args->value_size * panel.width;
    panel.sum = panel.largest + panel.width;
    panel.factor = panel.sum + panel.width;
    run_panel(&panel);
    first += panel.count;
  }
}
