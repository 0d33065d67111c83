// Bands of several convolutions: apusk_conv_chain.h.
//
// A band of an image stays in the worker's scratch from one unit to the next, so that neighbours share the rows which both of
// their windows reach: a thread makes each row once as long as it goes on where it was.
#include <string.h>

#include "conv_isa.h"

// Floats of the images between that one band may have: they share the L2 cache with weights, input and output.
#define BAND_FLOATS (96 << 10)
// Floats between two convolutions that stay in the caches from one step to the next.
#define FEW_FLOATS (1 << 18)

// Floats of weights that each band reads once more.
#define MOST_WEIGHTS (16 << 10)

// Rows first ..< end of an image that lie in scratch.
typedef struct held_rows {
  int64_t image, first, end;
} held_rows;

// What stands at the front of the scratch.
typedef struct bands {
  uint64_t turn;
  held_rows held[APUSK_CONV_CHAIN_MOST - 1];
} bands;

#define BANDS_BYTES 128
_Static_assert(sizeof(bands) <= BANDS_BYTES, "what stands at the front of the scratch");

typedef struct chain {
  const apusk_conv_isa *isa;
  const apusk_conv_chain_args *args;
  bands *bands;
  float *between[APUSK_CONV_CHAIN_MOST - 1];
  apusp_worker worker;  // with the scratch that is left
} chain;

static int64_t row_floats(const apusk_conv2d_f32_args *conv) { return conv->ow * conv->cout; }

static int64_t window_rows(const apusk_conv2d_f32_args *conv, int64_t rows) {
  return (rows - 1) * conv->stride_h + (conv->kh - 1) * conv->dilation_h + 1;
}

static int64_t clamped(int64_t value, int64_t most) { return value < 0 ? 0 : value < most ? value : most; }

static void make_rows(chain *c, int64_t index, int64_t image, int64_t first, int64_t end);

// Convolution number `index`: its output rows first ..< end, to `y`.
static void run_convolution(chain *c, int64_t index, int64_t image, int64_t first, int64_t end, float *y) {
  apusk_conv2d_f32_args conv = c->args->convolutions[index];
  const int64_t top = first * conv.stride_h - conv.pad_top;
  const int64_t from = clamped(top, conv.ih), to = clamped(top + window_rows(&conv, end - first), conv.ih);
  if (index > 0) {
    make_rows(c, index - 1, image, from, to);
    conv.x = c->between[index - 1] + (from - c->bands->held[index - 1].first) * row_floats(&c->args->convolutions[index - 1]);
  } else {
    conv.x += (image * conv.ih + from) * conv.iw * conv.x_pixel_stride;
  }
  if (conv.tail.residual) {
    conv.tail.residual += (image * conv.oh + first) * conv.ow * conv.tail.residual_row_stride;
  }
  conv.y = y;
  conv.batch = 1;
  conv.ih = to - from;
  conv.oh = end - first;
  conv.pad_top = from - top;
  if (apusk_conv_is_depthwise(conv.cin, conv.groups)) {
    conv.rows_per_unit = conv.oh;
    apusk_conv2d_depthwise_f32_run(c->isa, &conv, 0, apusk_conv_depthwise_parts(conv.cout), &c->worker);
    return;
  }
  const apusk_conv_shape shape = apusk_conv_shape_of(&conv, c->isa->gemm->kernels.nr);
  const int64_t size = shape.variant == APUSK_CONV_ROWS ? conv.oh : conv.oh * conv.ow;
  apusk_conv2d_f32_run(c->isa, &conv, 0, apusk_divide_up(size, conv.rows_per_unit), &c->worker);
}

// Sees to it that rows first ..< end of what convolution number `index` makes are in their band.
static void make_rows(chain *c, int64_t index, int64_t image, int64_t first, int64_t end) {
  held_rows *held = &c->bands->held[index];
  const int64_t row = row_floats(&c->args->convolutions[index]);
  float *band = c->between[index];
  int64_t made = first;
  if (held->image == image && held->first <= first && first < held->end) {
    made = held->end;
    if (first > held->first) {
      memmove(band, band + (first - held->first) * row, sizeof(float) * (size_t)((made - first) * row));
    }
  }
  *held = (held_rows){image, first, made};
  if (made >= end) return;
  run_convolution(c, index, image, made, end, band + (made - first) * row);
  held->end = end;
}

int32_t apusk_conv_chain_f32_run(const apusk_conv_isa *isa, const apusk_conv_chain_args *args, int64_t begin, int64_t end,
                                 apusp_worker *worker) {
  chain c = {.isa = isa, .args = args, .bands = worker->scratch, .worker = *worker};
  float *next = (float *)worker->scratch + BANDS_BYTES / sizeof(float);
  for (int64_t i = 0; i + 1 < args->count; i++) {
    c.between[i] = next;
    next += (args->rows_between[i] * row_floats(&args->convolutions[i]) + 15) & ~(int64_t)15;
  }
  c.worker.scratch = next;
  if (worker->turn == 0 || c.bands->turn != worker->turn) {
    *c.bands = (bands){.turn = worker->turn};
    for (int64_t i = 0; i + 1 < args->count; i++) c.bands->held[i].image = -1;
  }
  const apusk_conv2d_f32_args *last = &args->convolutions[args->count - 1];
  const int64_t per_image = apusk_divide_up(last->oh, args->rows_per_unit);
  for (int64_t unit = begin; unit < end; unit++) {
    const int64_t image = unit / per_image, first = unit % per_image * args->rows_per_unit;
    const int64_t rows = last->oh - first < args->rows_per_unit ? last->oh - first : args->rows_per_unit;
    float *y = last->y + (image * last->oh + first) * last->ow * last->y_pixel_stride;
    run_convolution(&c, args->count - 1, image, first, first + rows, y);
  }
  return 0;
}

// --- Planning ---

// Whether a convolution can be done band by band; those with many weights would read them again for each. Of 1x1 ones those
// alone that are plain products of the whole image: without the padding, as in a band inside of the image, others become such.
static bool takes_bands(const apusk_conv2d_f32_args *conv, const apusk_conv_shape *shape) {
  if (shape->variant == APUSK_CONV_DEPTHWISE) return shape->group_cout == 1;
  return conv->groups == 1 && shape->group_floats <= MOST_WEIGHTS &&
         (shape->variant == APUSK_CONV_POINTWISE || (shape->variant == APUSK_CONV_ROWS && conv->kh * conv->kw > 1));
}

// Rows of the images between that a band of so many output rows takes. Returns their floats.
static int64_t band_floats(apusk_conv_chain_args *args, int64_t rows) {
  int64_t floats = 0;
  for (int64_t i = args->count - 1; i > 0; i--) {
    const apusk_conv2d_f32_args *conv = &args->convolutions[i];
    rows = window_rows(conv, rows);
    if (rows > conv->ih) rows = conv->ih;
    args->rows_between[i - 1] = rows;
    floats += rows * row_floats(conv - 1);
  }
  return floats;
}

int32_t apusk_conv_chain_plan(const apusk_conv_kernels *kernels, apusk_conv_chain_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = kernels->conv_chain_f32, .grain = 1};
  int64_t scratch = 0, largest = 0;
  for (int64_t i = 0; i < args->count; i++) {
    apusk_conv2d_f32_args *conv = &args->convolutions[i];
    apusk_plan alone;
    if (apusk_conv2d_f32_plan(kernels, conv, &alone) != 0 || alone.units == 0) return 100;
    const apusk_conv_shape shape = apusk_conv_shape_of(conv, kernels->gemm->nr);
    if (conv->scaled || !takes_bands(conv, &shape) || (i == 1 && shape.variant != APUSK_CONV_DEPTHWISE)) return 100;
    if (i + 1 < args->count) {
      const apusk_conv2d_f32_args *next = conv + 1;
      if (conv->y_pixel_stride != conv->cout || next->x_pixel_stride != conv->cout ||
          next->cin != conv->cout || next->ih != conv->oh || next->iw != conv->ow || next->batch != conv->batch) {
        return 100;
      }
      if (conv->oh * row_floats(conv) > largest) largest = conv->oh * row_floats(conv);
    }
    if (alone.scratch_bytes > scratch) scratch = alone.scratch_bytes;
    conv->panels_per_unit = shape.variant == APUSK_CONV_DEPTHWISE ? conv->panels_per_unit : shape.panels;
  }
  if (largest < FEW_FLOATS) return 100;
  const apusk_conv2d_f32_args *last = &args->convolutions[args->count - 1];
  int64_t rows = 1;
  if (band_floats(args, 1) > BAND_FLOATS) return 100;
  while (rows < last->oh && 8 * rows < last->oh && band_floats(args, rows + 1) <= BAND_FLOATS) rows++;
  args->rows_per_unit = rows;
  int64_t floats = band_floats(args, rows) + 16 * args->count;
  plan->units = last->batch * apusk_divide_up(last->oh, rows);
  plan->scratch_bytes = BANDS_BYTES + floats * (int64_t)sizeof(float) + scratch;
  return 0;
}
