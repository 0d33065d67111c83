// Template: the window of one output pixel of a deformable convolution, for one floating-point type.
// ELEMENT is the type, DEFORM_NAME(name) the functions' names.

// Those of the four neighbours of a position that lie in the image, and their weights.
typedef struct DEFORM_NAME(corners) {
  int64_t pixel[4];
  ELEMENT weight[4];
  int count;
} DEFORM_NAME(corners);

static DEFORM_NAME(corners) DEFORM_NAME(corners_of)(const apusk_deform_conv_args *args, ELEMENT y, ELEMENT x) {
  DEFORM_NAME(corners) corners = {0};
  // Comparisons with NaN are false: a position that is no number reads nothing.
  if (!(y > -1 && y < (ELEMENT)args->ih && x > -1 && x < (ELEMENT)args->iw)) return corners;
  // Both are above -1: adding 1 before the conversion makes it round down.
  int64_t top = (int64_t)(y + 1) - 1, left = (int64_t)(x + 1) - 1;
  ELEMENT down = y - (ELEMENT)top, right = x - (ELEMENT)left;
  for (int i = 0; i < 4; i++) {
    int64_t row = top + i / 2, column = left + i % 2;
    if (row < 0 || row >= args->ih || column < 0 || column >= args->iw) continue;
    corners.pixel[corners.count] = row * args->iw + column;
    corners.weight[corners.count++] = (i / 2 ? down : 1 - down) * (i % 2 ? right : 1 - right);
  }
  return corners;
}

// Elements k0 ..< k0 + depth (taps row-major, then channels first_channel ..< + channels) of output pixel `pixel` of all images.
static void DEFORM_NAME(window)(const apusk_deform_conv_args *args, int64_t pixel, int64_t first_channel, int64_t channels,
                                int64_t k0, int64_t depth, ELEMENT *target) {
  int64_t plane = args->oh * args->ow, image = pixel / plane, place = pixel % plane;
  int64_t taps = args->kh * args->kw, offset_channels = args->cin / args->offset_groups;
  const ELEMENT *x = (const ELEMENT *)args->x + image * args->ih * args->iw * args->cin;
  int64_t tap = k0 / channels, skip = k0 % channels;
  while (depth > 0) {
    int64_t channel = first_channel + skip, group = channel / offset_channels;
    int64_t count = channels - skip, in_group = (group + 1) * offset_channels - channel;
    if (in_group < count) count = in_group;
    if (depth < count) count = depth;
    int64_t number = (image * args->offset_groups + group) * taps + tap;
    const ELEMENT *offset = (const ELEMENT *)args->offset + 2 * number * plane + place;
    int64_t row = place / args->ow * args->stride_h - args->pad_top + tap / args->kw * args->dilation_h;
    int64_t column = place % args->ow * args->stride_w - args->pad_left + tap % args->kw * args->dilation_w;
    DEFORM_NAME(corners) c = DEFORM_NAME(corners_of)(args, (ELEMENT)row + offset[0], (ELEMENT)column + offset[plane]);
    ELEMENT mask = args->mask ? ((const ELEMENT *)args->mask)[number * plane + place] : 1;
    if (c.count == 4) {
      const ELEMENT *q[4];
      for (int i = 0; i < 4; i++) q[i] = x + c.pixel[i] * args->cin + channel;
      for (int64_t i = 0; i < count; i++) {
        ELEMENT sum = c.weight[0] * q[0][i] + c.weight[1] * q[1][i];
        target[i] = (sum + c.weight[2] * q[2][i] + c.weight[3] * q[3][i]) * mask;
      }
    } else {
      for (int64_t i = 0; i < count; i++) target[i] = 0;
      for (int corner = 0; corner < c.count; corner++) {
        const ELEMENT *source = x + c.pixel[corner] * args->cin + channel;
        for (int64_t i = 0; i < count; i++) target[i] += c.weight[corner] * mask * source[i];
      }
    }
    target += count;
    depth -= count;
    skip += count;
    tap += skip / channels;
    skip %= channels;
  }
}
