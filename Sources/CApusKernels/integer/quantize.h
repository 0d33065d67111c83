// Template: float32 to 8 bits with one scale (the rule is in apusk_quantize.h).

LANES_TARGET static void quantize(const float *x, uint8_t *y, int64_t count, float scale, int32_t zero, bool is_signed) {
  const float low = (float)((is_signed ? -128 : 0) - zero), high = (float)((is_signed ? 127 : 255) - zero);
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
    v /= scale;
    v = v == v ? v : lanes_set_float(0.0f);
    lanes_store_bytes(y + i, finish_round(finish_bound(v, low, high), zero), n);
  }
}
