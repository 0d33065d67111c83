// Template: float32 to 8 bits with one scale (the rule is in apusk_quantize.h). A level may name QUANTIZE_IS_SURE: whether no
// quotient that is off by 2^-13 could be rounded to another integer; then most take a product instead of a division.

LANES_TARGET static void quantize(const float *x, uint8_t *y, int64_t count, float scale, int32_t zero, bool is_signed) {
  const float low = (float)((is_signed ? -128 : 0) - zero), high = (float)((is_signed ? 127 : 255) - zero);
#ifdef QUANTIZE_IS_SURE
  // Quotients up to 256 are off by less than 2^-14; others are bounded alike.
  const float size = scale < 0.0f ? -scale : scale, inverse = 1.0f / scale;
  const bool is_regular = size > 0x1p-100f && size < 0x1p100f;
#endif
  for (int64_t i = 0; i < count; i += LANES) {
    const int64_t n = count - i < LANES ? count - i : LANES;
    lanes_float v = lanes_set_float(0.0f);
    if (n == LANES) {
      v = lanes_load_floats(x + i);
    } else {
      float part[LANES] = {0};
      memcpy(part, x + i, sizeof(float) * (size_t)n);
      v = lanes_load_floats(part);
    }
#ifdef QUANTIZE_IS_SURE
    lanes_float near = v * inverse;
    near = finish_bound(near == near ? near : lanes_set_float(0.0f), low, high);
    if (is_regular && n == LANES && QUANTIZE_IS_SURE(near)) {
      lanes_store_bytes(y + i, finish_round(near, zero), LANES);
      continue;
    }
#endif
    v /= scale;
    v = v == v ? v : lanes_set_float(0.0f);
    lanes_store_bytes(y + i, finish_round(finish_bound(v, low, high), zero), n);
  }
}
