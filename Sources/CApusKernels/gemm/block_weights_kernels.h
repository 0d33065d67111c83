// Template over a simd_*.h: see block_weights.h. A level gives, for vectors vi of VL words of 32 bits,
//   BLOCK_TARGET, BLOCK_INLINE          with the instructions of `dot`
//   vi_load, vi_bytes, vi_set1          VL words; VL bytes as words; a word for all
//   vi_and, vi_shift_right4, vi_shift_right8
//   dot(sum, q, digits, bits)           sum + four unsigned bytes of q, below 2^bits, by the four digits
//   dot_dynamic(sum, bytes, q)          sum + the four unsigned bytes by four signed ones of q
//   vi_multiply16(a, b)                 of the low halves of words, the high ones 0 in one of the two
//   vi_multiply                         of words, modulo 2^32
//   vi_add, vi_sub, vi_shift_left8, vf_of_vi, vf_of_half
//   vi_store, vi_store_bytes            VL words; their low bytes
//   vi_rounded, vi_max, vi_shift_signed8, vi_low_bytes, the last as signed numbers
#define VECTORS (APUSK_BLOCK_COLUMNS / VL)
// Bytes that are asked for ahead of those in use.
#define BLOCK_AHEAD 2048

SIMD_INLINE vf block_scales(const void *scales, int32_t type, int64_t at) {
  return type == APUSK_FLOAT16 ? vf_of_half((const uint16_t *)scales + at) : vload((const float *)scales + at);
}

BLOCK_INLINE void panel_body(const apusk_block_panel *panel, const int bits, const int rows) {
  const int size = 3;
  const int64_t chunk = panel->chunk, digits_row = panel->digits_row;
  const uint8_t *q = panel->q, *zeros = panel->zeros;
  const char *record = panel->digits;
  vf totals[4][VECTORS];
  SIMD_UNROLL for (int i = 0; i < rows; i++) {
    SIMD_UNROLL for (int v = 0; v < VECTORS; v++) totals[i][v] = vzero();
  }
  int64_t table = 0, left = panel->chunks_per_block;
  for (int64_t number = 0; number < panel->chunks; number++) {
    // Where the registers do not do for all columns, they are done in two turns.
    SIMD_UNROLL for (int turn = 0; turn < VECTORS; turn += TOGETHER) {
      vi sums[4][3][TOGETHER];
      SIMD_UNROLL for (int v = 0; v < TOGETHER; v++) {
        const vi zero = zeros ? vi_bytes(zeros + table + (turn + v) * VL) : vi_set1(0);
        SIMD_UNROLL for (int i = 0; i < rows; i++) {
          const apusk_block_digits *digits = (const apusk_block_digits *)(record + i * digits_row);
          SIMD_UNROLL for (int d = 0; d < size; d++) {
            const vi start = vi_set1(digits->start[d]);
            sums[i][d][v] = zeros ? vi_multiply16(zero, start) : start;
          }
        }
      }
      const uint8_t *words = q + turn * VL * 4;
      for (int64_t p = 0; p < chunk; p += 32 / bits, words += 4 * APUSK_BLOCK_COLUMNS) {
        vi word[TOGETHER];
        SIMD_UNROLL for (int v = 0; v < TOGETHER; v++) {
          word[v] = vi_load(words + v * VL * 4);
          if (turn == 0 && v * VL * 4 % 64 == 0) __builtin_prefetch(words + v * VL * 4 + BLOCK_AHEAD);
        }
        SIMD_UNROLL for (int part = 0; part < 8 / bits; part++) {
          vi elements[TOGETHER];
          SIMD_UNROLL for (int v = 0; v < TOGETHER; v++) {
            elements[v] = bits == 8 ? word[v] : vi_and(part == 0 ? word[v] : vi_shift_right4(word[v]), vi_set1(0x0f0f0f0f));
          }
          SIMD_UNROLL for (int i = 0; i < rows; i++) {
            const apusk_block_digits *digits = (const apusk_block_digits *)(record + i * digits_row);
            SIMD_UNROLL for (int d = 0; d < size; d++) {
              const int8_t *four = digits->digits + d * chunk + p + 4 * part;
              SIMD_UNROLL for (int v = 0; v < TOGETHER; v++) sums[i][d][v] = dot(sums[i][d][v], elements[v], four, bits);
            }
          }
        }
      }
      SIMD_UNROLL for (int v = 0; v < TOGETHER; v++) {
        const vf scale = block_scales(panel->scales, panel->scale_type, table + (turn + v) * VL);
        SIMD_UNROLL for (int i = 0; i < rows; i++) {
          const apusk_block_digits *digits = (const apusk_block_digits *)(record + i * digits_row);
          const vf low = vf_of_vi(vi_add(vi_shift_left8(sums[i][1][v]), sums[i][0][v]));
          const vf value = vfma(vf_of_vi(sums[i][2][v]), vset1(65536.0f), low);
          totals[i][turn + v] = vfma(value, vmul(scale, vset1(digits->scale)), totals[i][turn + v]);
        }
      }
    }
    q += chunk * APUSK_BLOCK_COLUMNS * bits / 8;
    record += (int64_t)sizeof(apusk_block_digits) + size * chunk;
    if (--left == 0) {
      left = panel->chunks_per_block;
      table += APUSK_BLOCK_COLUMNS;
    }
  }
  SIMD_UNROLL for (int i = 0; i < rows; i++) {
    SIMD_UNROLL for (int v = 0; v < VECTORS; v++) vstore(panel->c + i * panel->c_row + v * VL, totals[i][v]);
  }
}

#define BLOCK_PANEL(bits, rows) \
  BLOCK_TARGET static void panel_##bits##_##rows(const apusk_block_panel *panel) { panel_body(panel, bits, rows); }

// Even and odd quads have sums of their own: a chain of dot products would be slower than the weights come.
BLOCK_TARGET static void dynamic_panel(const apusk_block_panel *panel) {
  const apusk_block_digits *row = (const apusk_block_digits *)panel->digits;
  const int64_t chunk = panel->chunk;
  const uint8_t *q = panel->q;
  // Parts of panels, TOGETHER vectors of columns each.
  for (int64_t column = 0; column < panel->panels * APUSK_BLOCK_COLUMNS; column += TOGETHER * VL) {
    vi sums[2][TOGETHER];
    SIMD_UNROLL for (int v = 0; v < TOGETHER; v++) sums[0][v] = sums[1][v] = vi_set1(0);
    const uint8_t *words = q + column % APUSK_BLOCK_COLUMNS * 4;
    for (int64_t p = 0; p < chunk; p += 8) {
      SIMD_UNROLL for (int odd = 0; odd < 2; odd++, words += 4 * APUSK_BLOCK_COLUMNS) {
        SIMD_UNROLL for (int v = 0; v < TOGETHER; v++) {
          sums[odd][v] = dot_dynamic(sums[odd][v], row->digits + p + 4 * odd, vi_load(words + v * VL * 4));
        }
      }
    }
    SIMD_UNROLL for (int v = 0; v < TOGETHER; v++) {
      const int64_t at = column + v * VL;
      vi sum = vi_multiply(vi_load(words + v * VL * 4), vi_set1(row->start[0]));
      vi start = vi_set1(row->start[1]);
      if (panel->zeros) start = vi_multiply(vi_sub(vi_bytes(panel->zeros + at), vi_set1(128)), start);
      sum = vi_add(vi_add(sum, start), vi_add(sums[0][v], sums[1][v]));
      const vf scale = vmul(block_scales(panel->scales, panel->scale_type, at), vset1(row->scale));
      vstore(panel->c + at, vmul(vf_of_vi(sum), scale));
    }
    if ((column + TOGETHER * VL) % APUSK_BLOCK_COLUMNS == 0) q += (chunk + 4) * APUSK_BLOCK_COLUMNS;
  }
}

SIMD_TARGET static void digits(const float *a, int64_t count, int64_t chunk, int32_t zero, apusk_block_digits *target) {
  float filled[APUSK_BLOCK_CHUNK] = {0};
  if (count < chunk) {
    memcpy(filled, a, sizeof(float) * (size_t)count);
    a = filled;
  }
  const vi magnitude = vi_set1(0x7fffffff);
  vi most = vi_set1(0);
  for (int64_t p = 0; p < chunk; p += VL) most = vi_max(most, vi_and(vi_load((const uint8_t *)(a + p)), magnitude));
  int32_t lanes[VL], largest = 0;
  vi_store(lanes, most);
  for (int i = 0; i < VL; i++) largest = lanes[i] > largest ? lanes[i] : largest;
  const apusk_block_exponent exponent = apusk_block_exponent_of(largest);
  target->scale = exponent.scale;
  const vf factor = vset1(exponent.factor);
  vi sums[3] = {vi_set1(0), vi_set1(0), vi_set1(0)};
  for (int64_t p = 0; p < chunk; p += VL) {
    vi rest = vi_rounded(vmul(vload(a + p), factor));
    for (int d = 0; d < 3; d++) {
      const vi digit = vi_low_bytes(rest);
      vi_store_bytes(target->digits + d * chunk + p, digit);
      sums[d] = vi_add(sums[d], digit);
      rest = vi_shift_signed8(vi_sub(rest, digit));
    }
  }
  for (int d = 0; d < 3; d++) {
    int32_t sum = 0;
    vi_store(lanes, sums[d]);
    for (int i = 0; i < VL; i++) sum += lanes[i];
    target->start[d] = apusk_block_start(sum, zero);
  }
}

SIMD_TARGET static void strip(const apusk_block_weights *w, int64_t first, int32_t width, int64_t k0, int64_t depth,
                               float *strip) {
  const apusk_block_place place = apusk_block_place_of(w, first);
  for (int32_t v = 0; v < width; v += VL) {
    const int32_t n = width - v < VL ? width - v : VL;
    int64_t p = k0;
    while (p < k0 + depth) {
      // One block, or what the strip has of it.
      const int64_t block = w->block < w->k ? p / w->block : 0;
      int64_t end = w->block < w->k ? (block + 1) * w->block : w->k;
      if (end > k0 + depth) end = k0 + depth;
      const int64_t table = block * APUSK_BLOCK_COLUMNS + place.column + v;
      const vf scale = block_scales(place.scales, w->scale_type, table);
      const vi zero = place.zeros ? vi_bytes(place.zeros + table) : vi_set1(w->zero);
      while (p < end) {
        const uint8_t *at = place.q + (w->bits == 8 ? p / 4 : p / 8) * 4 * APUSK_BLOCK_COLUMNS + 4 * (place.column + v);
        vi word = vi_load(at);
        if (w->bits == 4) word = vi_and(p / 4 % 2 ? vi_shift_right4(word) : word, vi_set1(0x0f0f0f0f));
        for (const int64_t after = end - p < 4 ? end : p + 4; p < after; p++, word = vi_shift_right8(word)) {
          const vf value = vmul(vf_of_vi(vi_sub(vi_and(word, vi_set1(255)), zero)), scale);
          float *to = strip + (p - k0) * width + v;
          if (n == VL) {
            vstore(to, value);
          } else {
            vstore_n(to, value, n);
          }
        }
      }
    }
  }
}
