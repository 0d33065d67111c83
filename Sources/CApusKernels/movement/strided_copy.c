// Transpose, Expand and Slice: dense copies of strided views.
#include <string.h>

#include "../include/apusk_movement.h"
#include "merge_dimensions.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Elements of a unit of a one-dimensional copy.
#define APUSK_STRIDED_COPY_BLOCK 1024

typedef struct sixteen_bytes {
  uint64_t low, high;
} sixteen_bytes;

// Pixels of three bytes from their planes, 16 at a time; returns how many.
#if defined(__x86_64__)
__attribute__((target("avx2"))) static int64_t interleave_bytes(uint8_t *output, const uint8_t *input, int64_t count,
                                                                int64_t plane) {
  // Where the bytes of three vectors come from in each plane; 0x80: from another one.
  uint8_t places[3][3][16];
  for (int i = 0; i < 48; i++) {
    for (int p = 0; p < 3; p++) places[p][i / 16][i % 16] = i % 3 == p ? (uint8_t)(i / 3) : 0x80;
  }
  __m128i from[9];
  memcpy(from, places, sizeof from);
  int64_t pixel = 0;
  for (; pixel + 16 <= count; pixel += 16, input += 16, output += 48) {
    const __m128i red = _mm_loadu_si128((const __m128i *)(const void *)input);
    const __m128i green = _mm_loadu_si128((const __m128i *)(const void *)(input + plane));
    const __m128i blue = _mm_loadu_si128((const __m128i *)(const void *)(input + 2 * plane));
    _Pragma("clang loop unroll(full)") for (int v = 0; v < 3; v++) {
      const __m128i two = _mm_or_si128(_mm_shuffle_epi8(red, from[v]), _mm_shuffle_epi8(green, from[3 + v]));
      _mm_storeu_si128((__m128i *)(void *)(output + 16 * v), _mm_or_si128(two, _mm_shuffle_epi8(blue, from[6 + v])));
    }
  }
  return pixel;
}
#endif

#define ELEMENT uint8_t
#define ELEMENT_IS_SCALAR 1
#define ROWS rows_of_1_byte
#include "strided_copy_rows.h"
#define ELEMENT uint16_t
#define ELEMENT_IS_SCALAR 1
#define ROWS rows_of_2_bytes
#include "strided_copy_rows.h"
#define ELEMENT uint32_t
#define ELEMENT_IS_SCALAR 1
#define ROWS rows_of_4_bytes
#include "strided_copy_rows.h"
#define ELEMENT uint64_t
#define ELEMENT_IS_SCALAR 1
#define ROWS rows_of_8_bytes
#include "strided_copy_rows.h"
#define ELEMENT sixteen_bytes
#define ELEMENT_IS_SCALAR 0
#define ROWS rows_of_16_bytes
#include "strided_copy_rows.h"

static int32_t strided_copy(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_strided_copy_args *args = args_;
  (void)worker;
  if (begin >= end) return 0;
  switch (args->element_bytes) {
    case 1: rows_of_1_byte(args, begin, end); break;
    case 2: rows_of_2_bytes(args, begin, end); break;
    case 4: rows_of_4_bytes(args, begin, end); break;
    case 8: rows_of_8_bytes(args, begin, end); break;
    default: rows_of_16_bytes(args, begin, end); break;
  }
  return 0;
}

int32_t apusk_strided_copy_set_view(
    apusk_strided_copy_args *args, int32_t rank, const int64_t *shape, const int64_t *strides) {
  const int64_t *const sources[1] = {strides};
  int64_t *const merged[1] = {args->strides};
  return apusk_merge_dimensions(rank, shape, 1, sources, &args->rank, args->shape, merged);
}

int32_t apusk_strided_copy_set_transpose(
    apusk_strided_copy_args *args, int32_t rank, const int64_t *input_shape, const int32_t *perm) {
  if (rank < 0 || rank > APUSK_MERGE_MAX_RANK) return 301;
  int64_t input_strides[APUSK_MERGE_MAX_RANK], shape[APUSK_MERGE_MAX_RANK], strides[APUSK_MERGE_MAX_RANK];
  int64_t stride = 1;
  for (int32_t d = rank - 1; d >= 0; d--) {
    input_strides[d] = stride;
    stride *= input_shape[d];
  }
  uint64_t seen = 0;
  for (int32_t d = 0; d < rank; d++) {
    if (perm[d] < 0 || perm[d] >= rank || (seen >> perm[d] & 1)) return 106;
    seen |= (uint64_t)1 << perm[d];
    shape[d] = input_shape[perm[d]];
    strides[d] = input_strides[perm[d]];
  }
  return apusk_strided_copy_set_view(args, rank, shape, strides);
}

int32_t apusk_strided_copy_set_expand(
    apusk_strided_copy_args *args, int32_t input_rank, const int64_t *input_shape, int32_t output_rank,
    const int64_t *output_shape) {
  if (input_rank < 0 || output_rank < 0 || output_rank > APUSK_MERGE_MAX_RANK) return 301;
  if (input_rank > output_rank) return 106;
  for (int32_t d = 0; d < input_rank; d++) {
    if (input_shape[d] != 1 && input_shape[d] != output_shape[output_rank - input_rank + d]) return 106;
  }
  int64_t strides[APUSK_MERGE_MAX_RANK];
  apusk_broadcast_strides(input_rank, input_shape, output_rank, strides);
  return apusk_strided_copy_set_view(args, output_rank, output_shape, strides);
}

void apusk_strided_copy_plan(const apusk_strided_copy_args *args, apusk_plan *plan) {
  int64_t rows = 1, row = args->shape[args->rank - 1];
  for (int32_t d = 0; d < args->rank - 1; d++) rows *= args->shape[d];
  if (args->rank == 1) {
    rows = row / APUSK_STRIDED_COPY_BLOCK + (row % APUSK_STRIDED_COPY_BLOCK != 0);
    row = APUSK_STRIDED_COPY_BLOCK;
  }
  const int64_t elements_per_grain = 16384;  // some 20 us of a transposition
  *plan = (apusk_plan){.kernel = strided_copy, .units = row == 0 ? 0 : rows, .grain = 1 + elements_per_grain / (row + 1)};
}
