// The quads of 8 channels, from four rows, on 256-bit registers.
LANES_INLINE __m256i quads_8(const uint8_t *x0, const uint8_t *x1, const uint8_t *x2, const uint8_t *x3, lanes_int flip) {
  const __m128i low = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)x0), _mm_loadl_epi64((const __m128i *)x1));
  const __m128i high = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)x2), _mm_loadl_epi64((const __m128i *)x3));
  const __m256i quads = _mm256_setr_m128i(_mm_unpacklo_epi16(low, high), _mm_unpackhi_epi16(low, high));
  return _mm256_xor_si256(quads, (__m256i)flip);
}
