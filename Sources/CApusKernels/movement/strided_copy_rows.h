// Template: strided copies of elements of one width. ELEMENT is the element's type, ROWS the function's name, and
// ELEMENT_IS_SCALAR 1 where vectors of it exist.

#define CONCATENATE2(a, b) a##b
#define CONCATENATE(a, b) CONCATENATE2(a, b)
#define COPY_ROW CONCATENATE(ROWS, _copy_row)
#define TRANSPOSE_ROWS CONCATENATE(ROWS, _transpose)
#define INTERLEAVE_THREE CONCATENATE(ROWS, _interleave_three)

static void COPY_ROW(ELEMENT *output, const ELEMENT *input, int64_t count, int64_t stride) {
  if (stride == 1) {
    memcpy(output, input, (size_t)count * sizeof(ELEMENT));
    return;
  }
  for (int64_t i = 0; i < count; i++) output[i] = input[i * stride];
}

// `rows` rows of `count` elements, output[r * count + i] = input[r + i * stride]: a transposition. Walked in tiles, so that the
// lines of both sides stay in the first-level cache until they are used up.
static void TRANSPOSE_ROWS(ELEMENT *output, const ELEMENT *input, int64_t rows, int64_t count, int64_t stride) {
  enum { tile = 16 };
  for (int64_t row = 0; row < rows; row += tile) {
    int64_t row_end = row + tile < rows ? row + tile : rows;
    for (int64_t column = 0; column < count; column += tile) {
      int64_t column_end = column + tile < count ? column + tile : count;
      int64_t r = row;
#if ELEMENT_IS_SCALAR
      typedef ELEMENT four __attribute__((ext_vector_type(4)));
      for (; r + 4 <= row_end; r += 4) {
        int64_t i = column;
        for (; i + 4 <= column_end; i += 4) {
          four a, b, c, d;
          memcpy(&a, input + r + i * stride, sizeof a);
          memcpy(&b, input + r + (i + 1) * stride, sizeof b);
          memcpy(&c, input + r + (i + 2) * stride, sizeof c);
          memcpy(&d, input + r + (i + 3) * stride, sizeof d);
          four ac_low = __builtin_shufflevector(a, c, 0, 4, 1, 5), ac_high = __builtin_shufflevector(a, c, 2, 6, 3, 7);
          four bd_low = __builtin_shufflevector(b, d, 0, 4, 1, 5), bd_high = __builtin_shufflevector(b, d, 2, 6, 3, 7);
          a = __builtin_shufflevector(ac_low, bd_low, 0, 4, 1, 5);
          b = __builtin_shufflevector(ac_low, bd_low, 2, 6, 3, 7);
          c = __builtin_shufflevector(ac_high, bd_high, 0, 4, 1, 5);
          d = __builtin_shufflevector(ac_high, bd_high, 2, 6, 3, 7);
          memcpy(output + r * count + i, &a, sizeof a);
          memcpy(output + (r + 1) * count + i, &b, sizeof b);
          memcpy(output + (r + 2) * count + i, &c, sizeof c);
          memcpy(output + (r + 3) * count + i, &d, sizeof d);
        }
        for (; i < column_end; i++) {
          for (int64_t k = r; k < r + 4; k++) output[k * count + i] = input[k + i * stride];
        }
      }
#endif
      for (; r < row_end; r++) {
        for (int64_t i = column; i < column_end; i++) output[r * count + i] = input[r + i * stride];
      }
    }
  }
}

#if ELEMENT_IS_SCALAR
// The same for rows of three: the planes of an image to pixels.
static void INTERLEAVE_THREE(ELEMENT *output, const ELEMENT *input, int64_t rows, int64_t stride) {
  typedef ELEMENT four __attribute__((ext_vector_type(4)));
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    four a, b, c, pixels[3];
    memcpy(&a, input + row, sizeof a);
    memcpy(&b, input + row + stride, sizeof b);
    memcpy(&c, input + row + 2 * stride, sizeof c);
    four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    pixels[0] = __builtin_shufflevector(ab_low, c, 0, 1, 4, 2);
    pixels[1] = __builtin_shufflevector(__builtin_shufflevector(ab_low, c, 3, 5, -1, -1), ab_high, 0, 1, 4, 5);
    pixels[2] = __builtin_shufflevector(ab_high, c, 6, 2, 3, 7);
    memcpy(output + 3 * row, pixels, sizeof pixels);
  }
  for (; row < rows; row++) {
    for (int64_t i = 0; i < 3; i++) output[3 * row + i] = input[row + i * stride];
  }
}
#endif

static void ROWS(const apusk_strided_copy_args *args, int64_t begin, int64_t end) {
  const ELEMENT *input = (const ELEMENT *)args->input + args->input_offset;
  ELEMENT *output = args->output;
  int32_t last = args->rank - 1;
  int64_t count = args->shape[last], stride = args->strides[last];
  if (last == 0) {
    int64_t from = begin * APUSK_STRIDED_COPY_BLOCK, to = end * APUSK_STRIDED_COPY_BLOCK;
    if (to > count) to = count;
    if (from < to) COPY_ROW(output + from, input + from * stride, to - from, stride);
    return;
  }
  int64_t group = args->shape[last - 1], group_stride = args->strides[last - 1];
  int64_t index[APUSK_MAX_RANK] = {0};
  int64_t rest = begin, position = 0;
  for (int32_t d = last - 1; d >= 0; d--) {
    index[d] = rest % args->shape[d];
    rest /= args->shape[d];
    position += index[d] * args->strides[d];
  }
  for (int64_t row = begin; row < end;) {
    int64_t rows = group - index[last - 1];
    if (rows > end - row) rows = end - row;
    if (group_stride == 1 && stride != 1 && rows > 1) {
#if ELEMENT_IS_SCALAR
      if (count == 3) {
        int64_t done = 0;
#if defined(__x86_64__)
        if (sizeof(ELEMENT) == 1 && args->level >= APUSK_LEVEL_AVX2) {
          done = interleave_bytes((uint8_t *)(output + row * count), (const uint8_t *)(input + position), rows, stride);
        }
#endif
        INTERLEAVE_THREE(output + (row + done) * count, input + position + done, rows - done, stride);
      } else
#endif
        TRANSPOSE_ROWS(output + row * count, input + position, rows, count, stride);
    } else {
      for (int64_t r = 0; r < rows; r++) COPY_ROW(output + (row + r) * count, input + position + r * group_stride, count, stride);
    }
    row += rows;
    position += rows * group_stride;
    index[last - 1] += rows;
    for (int32_t d = last - 1; d > 0 && index[d] == args->shape[d]; d--) {
      position += args->strides[d - 1] - index[d] * args->strides[d];
      index[d] = 0;
      index[d - 1]++;
    }
  }
}

#undef TRANSPOSE_ROWS
#undef INTERLEAVE_THREE
#undef COPY_ROW
#undef CONCATENATE
#undef CONCATENATE2
#undef ELEMENT
#undef ELEMENT_IS_SCALAR
#undef ROWS
