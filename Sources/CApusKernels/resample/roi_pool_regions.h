// Template: RoiAlign and MaxRoiPool of elements of type ELEMENT; ALIGN and POOL are the kernels' names.

#define CONCATENATE2(a, b) a##b
#define CONCATENATE(a, b) CONCATENATE2(a, b)
#define SAMPLE CONCATENATE(ALIGN, _sample)

// The bilinear sample of a map at (y, x); of the four products the largest if `takes_maximum`.
static ELEMENT SAMPLE(const apusk_roi_align_args *args, const ELEMENT *map, ELEMENT y, ELEMENT x) {
  int64_t height = args->height, width = args->width;
  // Written so that NaN is outside.
  if (!(y >= -1 && y <= (ELEMENT)height && x >= -1 && x <= (ELEMENT)width)) return 0;
  if (y < 0) y = 0;
  if (x < 0) x = 0;
  int64_t top = (int64_t)y, left = (int64_t)x, bottom = top + 1, right = left + 1;
  if (top >= height - 1) {
    top = bottom = height - 1;
    y = (ELEMENT)top;
  }
  if (left >= width - 1) {
    left = right = width - 1;
    x = (ELEMENT)left;
  }
  ELEMENT down = y - (ELEMENT)top, across = x - (ELEMENT)left, up = 1 - down, back = 1 - across;
  ELEMENT a = up * back * map[top * width + left], b = up * across * map[top * width + right];
  ELEMENT c = down * back * map[bottom * width + left], d = down * across * map[bottom * width + right];
  if (!args->takes_maximum) return a + b + c + d;
  ELEMENT upper = a > b ? a : b, lower = c > d ? c : d;
  return upper > lower ? upper : lower;
}

static int32_t ALIGN(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_roi_align_args *args = args_;
  ELEMENT scale = (ELEMENT)args->spatial_scale, offset = args->half_pixel ? (ELEMENT)0.5 : 0;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t region = unit / args->channels, channel = unit % args->channels;
    int64_t batch = args->batch_indices[region];
    if (batch < 0 || batch >= args->batch) {
      batch_fault(worker, 2, region, batch, args->batch);
      return 600;
    }
    const ELEMENT *roi = (const ELEMENT *)args->rois + 4 * region;
    const ELEMENT *map = (const ELEMENT *)args->input + (batch * args->channels + channel) * args->height * args->width;
    ELEMENT *output = (ELEMENT *)args->output + unit * args->output_height * args->output_width;
    ELEMENT left = roi[0] * scale - offset, top = roi[1] * scale - offset;
    ELEMENT width = roi[2] * scale - offset - left, height = roi[3] * scale - offset - top;
    if (!args->half_pixel) {
      // Malformed regions become 1 x 1.
      if (!(width > 1)) width = 1;
      if (!(height > 1)) height = 1;
    }
    ELEMENT bin_height = height / (ELEMENT)args->output_height, bin_width = width / (ELEMENT)args->output_width;
    // Samples closer than the elements of the whole map add nothing: a region may not ask for more.
    int64_t rows = args->sampling_ratio, columns = args->sampling_ratio;
    if (rows <= 0) {
      rows = whole(ceil((double)bin_height), args->height + 2);
      columns = whole(ceil((double)bin_width), args->width + 2);
    }
    int64_t count = rows * columns;
    for (int64_t y = 0; y < args->output_height; y++) {
      for (int64_t x = 0; x < args->output_width; x++) {
        ELEMENT result = 0;
        for (int64_t i = 0; i < rows; i++) {
          ELEMENT at_y = top + (ELEMENT)y * bin_height + ((ELEMENT)i + (ELEMENT)0.5) * bin_height / (ELEMENT)rows;
          for (int64_t j = 0; j < columns; j++) {
            ELEMENT at_x = left + (ELEMENT)x * bin_width + ((ELEMENT)j + (ELEMENT)0.5) * bin_width / (ELEMENT)columns;
            ELEMENT sample = SAMPLE(args, map, at_y, at_x);
            if (!args->takes_maximum) {
              result += sample;
            } else if ((i == 0 && j == 0) || sample > result) {
              result = sample;
            }
          }
        }
        output[y * args->output_width + x] = args->takes_maximum || count == 0 ? result : result / (ELEMENT)count;
      }
    }
  }
  return 0;
}

static int32_t POOL(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_max_roi_pool_args *args = args_;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t region = unit / args->channels, channel = unit % args->channels;
    const ELEMENT *roi = (const ELEMENT *)args->rois + 5 * region;
    double number = (double)roi[0];
    if (!(number >= 0 && number < (double)args->batch)) {
      batch_fault(worker, 1, 5 * region, number >= -0x1p62 && number < 0x1p62 ? (int64_t)number : -1, args->batch);
      return 600;
    }
    const ELEMENT *map =
        (const ELEMENT *)args->input + ((int64_t)number * args->channels + channel) * args->height * args->width;
    ELEMENT *output = (ELEMENT *)args->output + unit * args->output_height * args->output_width;
    double left = round((double)roi[1] * args->spatial_scale), top = round((double)roi[2] * args->spatial_scale);
    double right = round((double)roi[3] * args->spatial_scale), bottom = round((double)roi[4] * args->spatial_scale);
    double bin_height = fmax(bottom - top + 1, 1) / (double)args->output_height;
    double bin_width = fmax(right - left + 1, 1) / (double)args->output_width;
    for (int64_t y = 0; y < args->output_height; y++) {
      int64_t y_begin = edge(floor((double)y * bin_height) + top, args->height);
      int64_t y_end = edge(ceil((double)(y + 1) * bin_height) + top, args->height);
      for (int64_t x = 0; x < args->output_width; x++) {
        int64_t x_begin = edge(floor((double)x * bin_width) + left, args->width);
        int64_t x_end = edge(ceil((double)(x + 1) * bin_width) + left, args->width);
        ELEMENT result = 0;
        bool is_first = true;
        for (int64_t i = y_begin; i < y_end; i++) {
          for (int64_t j = x_begin; j < x_end; j++) {
            ELEMENT value = map[i * args->width + j];
            if (is_first || value > result) result = value;
            is_first = false;
          }
        }
        output[y * args->output_width + x] = result;
      }
    }
  }
  return 0;
}

#undef SAMPLE
#undef CONCATENATE
#undef CONCATENATE2
#undef ALIGN
#undef POOL
#undef ELEMENT
