// Template: sums to outputs (the rules are in apusk_integer.h).

LANES_INLINE lanes_float finish_bound(lanes_float v, float low, float high) {
  // Comparisons with NaN are false: it becomes the lowest value.
  v = v > low ? v : lanes_set_float(low);
  return v < high ? v : lanes_set_float(high);
}

// The integer next to v, ties to even, plus `zero`, for |v| below 2^22: the sum with 1.5 * 2^23 holds it in its low bits.
LANES_INLINE lanes_int finish_round(lanes_float v, int32_t zero) {
  v += 12582912.0f;
  lanes_int bits;
  memcpy(&bits, &v, sizeof bits);
  return bits + ((uint32_t)zero - 0x4B400000u);
}

// Columns j ..< j + n of all rows, a vector of them. `plain`: 8 bits, zero points and scales that are the columns' own, and no
// residual.
LANES_INLINE void finish_vector(const apusk_integer_finish *f, int64_t j, int64_t n, const bool plain) {
  const apusk_integer_tail *tail = f->tail;
  const lanes_float scale = lanes_load_floats(f->columns->scale + j);
  const int32_t type = tail->output_type, zero = f->y_zero;
  const bool byte = plain || apusk_integer_is_byte(type);
  const float low = (float)(tail->low - zero), high = (float)(tail->high - zero);
  const int64_t bytes = byte ? 1 : 4;
  const int32_t *sums = f->sums + j;
  char *output = (char *)f->output + j * bytes;
  const char *residual = f->residual ? (const char *)f->residual + j : NULL;
  for (int64_t i = 0; i < f->rows; i++, sums += f->sums_row, output += f->output_row * bytes) {
    lanes_int sum = lanes_load(sums);
    if (!plain && f->row_zeros) sum -= lanes_set((uint32_t)f->row_zeros[i]) * lanes_load(f->columns->total + j);
    if (!plain && f->row_sums) sum -= lanes_set((uint32_t)f->row_sums[i]) * lanes_load(f->columns->b_zero + j);
    if (!byte && type == APUSK_INT32) {
      lanes_store_words(output, sum, n);
      continue;
    }
    lanes_float factor = scale;
    if (!plain && f->row_scales) {
      factor = f->row_scales[i] * scale;
      if (byte) factor /= f->y_scale;
    }
    lanes_float v = lanes_to_float(sum) * factor;
    if (!byte) {
      v += lanes_load_floats(f->columns->bias + j);
      lanes_int words;
      memcpy(&words, &v, sizeof words);
      lanes_store_words(output, words, n);
      continue;
    }
    v = finish_bound(v, low, high);
    if (plain || !residual) {
      lanes_store_bytes(output, finish_round(v, zero), n);
      continue;
    }
    lanes_float own = lanes_to_float(finish_round(v, zero - tail->zero_a)) * tail->factor_a;
    lanes_int other = lanes_load_bytes(residual + i * f->output_row, n, type == APUSK_INT8);
    v = own + lanes_to_float(other - (uint32_t)tail->zero_b) * tail->factor_b;
    v = finish_bound(v, (float)(tail->residual_low - tail->residual_zero), (float)(tail->residual_high - tail->residual_zero));
    lanes_store_bytes(output, finish_round(v, tail->residual_zero), n);
  }
}

LANES_TARGET static __attribute__((noinline)) void finish_any(const apusk_integer_finish *f, const bool plain) {
  for (int64_t j = 0; j < f->count; j += LANES) {
    const int64_t n = f->count - j;
    if (plain && n >= LANES) {
      finish_vector(f, j, LANES, true);
    } else {
      finish_vector(f, j, n, false);
    }
  }
}

LANES_TARGET static void finish(const apusk_integer_finish *f) {
  const int32_t type = f->tail->output_type;
  const bool plain = apusk_integer_is_byte(type) && !f->row_zeros && !f->row_sums && !f->row_scales;
#ifdef FINISH_PLAIN
  if (plain && f->columns->small) {
    FINISH_PLAIN(f);
    return;
  }
#endif
  finish_any(f, plain && !f->residual);
}
