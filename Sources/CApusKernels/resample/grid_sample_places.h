// Template: GridSample of elements of type ELEMENT; NAME is the kernel's name.

#define CONCATENATE2(a, b) a##b
#define CONCATENATE(a, b) CONCATENATE2(a, b)
#define REFLECTED CONCATENATE(NAME, _reflected)
#define ELEMENT_INDEX CONCATENATE(NAME, _element_index)
#define AXIS_TAPS CONCATENATE(NAME, _axis_taps)
#define CUBIC_WEIGHTS CONCATENATE(NAME, _cubic_weights)

// x mirrored at `low` and `high` until it lies between them.
static ELEMENT REFLECTED(ELEMENT x, ELEMENT low, ELEMENT high) {
  ELEMENT extent = high - low;
  if (extent <= 0) return low;
  if (x >= low && x <= high) return x;
  ELEMENT beyond = (ELEMENT)fmod(x < low ? (double)(low - x) : (double)(x - low), 2 * (double)extent);
  return beyond <= extent ? low + beyond : high - (beyond - extent);
}

// The element that a whole coordinate names, or -1 for none. Coordinates are far inside of the integers.
static int64_t ELEMENT_INDEX(ELEMENT x, int64_t size, int32_t padding, bool align_corners) {
  if (padding == APUSK_PADDING_REFLECTION) {
    ELEMENT low = align_corners ? 0 : (ELEMENT)-0.5;
    x = REFLECTED(x, low, (ELEMENT)(size - 1) - low);
  }
  int64_t index = (int64_t)x;
  if (padding == APUSK_PADDING_ZEROS) return index >= 0 && index < size ? index : -1;
  return index < 0 ? 0 : index >= size ? size - 1 : index;
}

// Keys' cubic convolution with a = -0.75, as GridSample fixes it.
static void CUBIC_WEIGHTS(ELEMENT x, ELEMENT *weights) {
  const ELEMENT a = (ELEMENT)-0.75;
  ELEMENT y = 1 - x;
  weights[0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
  weights[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
  weights[2] = ((a + 2) * y - (a + 3)) * y * y + 1;
  weights[3] = ((a * (y + 1) - 5 * a) * (y + 1) + 8 * a) * (y + 1) - 4 * a;
}

// The elements along an axis that make up a place, and their weights. Returns how many.
static int AXIS_TAPS(
    const apusk_grid_sample_args *args, ELEMENT normalized, int64_t size, int64_t *indices, ELEMENT *weights) {
  bool corners = args->align_corners != 0;
  ELEMENT length = (ELEMENT)size;
  ELEMENT x = corners ? (normalized + 1) / 2 * (length - 1) : ((normalized + 1) * length - 1) / 2;
  ELEMENT low = corners ? 0 : (ELEMENT)-0.5, high = length - 1 - low;
  if (args->mode == APUSK_RESIZE_NEAREST) x = (ELEMENT)nearbyint((double)x);
  if (args->padding == APUSK_PADDING_BORDER) {
    // Half an element beyond the centres is still inside: there only the taps are held to the image.
    if (x < low) x = 0;
    if (x > high) x = length - 1;
  } else if (args->padding == APUSK_PADDING_REFLECTION) {
    x = REFLECTED(x, low, high);
  }
  // Far outside, and NaN, is outside all the same; the taps beside it must stay whole numbers.
  if (!(x > -0x1p20f)) x = -0x1p20f;
  if (x > length + 8) x = length + 8;
  ELEMENT whole = (ELEMENT)floor((double)x);
  int count = 1;
  switch (args->mode) {
    case APUSK_RESIZE_NEAREST:
      // Truncated: a reflected coordinate need not be whole.
      whole = (ELEMENT)trunc((double)x);
      weights[0] = 1;
      break;
    case APUSK_RESIZE_LINEAR:
      count = 2;
      weights[1] = x - whole;
      weights[0] = 1 - weights[1];
      break;
    default:
      count = 4;
      CUBIC_WEIGHTS(x - whole, weights);
      whole -= 1;
      break;
  }
  for (int k = 0; k < count; k++) {
    indices[k] = ELEMENT_INDEX(whole + (ELEMENT)k, size, args->padding, corners);
  }
  return count;
}

static int32_t NAME(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_grid_sample_args *args = args_;
  (void)worker;
  int64_t image = 1;
  for (int32_t d = 0; d < args->axes; d++) image *= args->spatial[d];
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t batch = unit / args->places, place = unit % args->places;
    const ELEMENT *grid = (const ELEMENT *)args->grid + unit * args->axes;
    // All elements that the place is made of: the products of the axes' taps.
    int64_t offsets[64] = {0};
    ELEMENT weights[64] = {1};
    int taps = 1;
    for (int32_t d = 0; d < args->axes; d++) {
      int64_t indices[4], next_offsets[64];
      ELEMENT factors[4], next_weights[64];
      int count = AXIS_TAPS(args, grid[args->axes - 1 - d], args->spatial[d], indices, factors), next = 0;
      for (int i = 0; i < taps; i++) {
        for (int k = 0; k < count; k++) {
          if (indices[k] < 0) continue;
          next_offsets[next] = offsets[i] * args->spatial[d] + indices[k];
          next_weights[next++] = weights[i] * factors[k];
        }
      }
      taps = next;
      for (int i = 0; i < taps; i++) {
        offsets[i] = next_offsets[i];
        weights[i] = next_weights[i];
      }
    }
    for (int64_t c = 0; c < args->channels; c++) {
      const ELEMENT *input = (const ELEMENT *)args->input + (batch * args->channels + c) * image;
      ELEMENT sum = 0;
      for (int i = 0; i < taps; i++) sum += weights[i] * input[offsets[i]];
      ((ELEMENT *)args->output)[(batch * args->channels + c) * args->places + place] = sum;
    }
  }
  return 0;
}

#undef CUBIC_WEIGHTS
#undef AXIS_TAPS
#undef ELEMENT_INDEX
#undef REFLECTED
#undef CONCATENATE
#undef CONCATENATE2
#undef NAME
#undef ELEMENT
