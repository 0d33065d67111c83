// The loops of Winograd convolutions: a unit transforms a block of tiles into scratch, then goes through panels of output
// channels: the products of all points, the transform of the output, the tail. So what lies between stays in the caches.
#include "winograd.h"

#include <math.h>
#include <string.h>

#include "conv_isa.h"

#pragma STDC FP_CONTRACT OFF

// Floats of transformed input and of products that a unit keeps in its caches.
#define MOST_FLOATS (160 * 1024)
// Tiles that share one reading of weights that don't fit the caches.
#define LEAST_TILES 28
// Output channels of a part of a block.
#define PART_COLUMNS 64

// --- Weights ---

// Of four output channels, in double precision: fp32 weights are rounded once.
typedef double weights_4 __attribute__((vector_size(32)));
typedef float packed_4 __attribute__((vector_size(16), aligned(4), may_alias));

// G g, of the three weights at g[0], g[stride], g[2 * stride].
static void weight_line(int32_t m, const weights_4 *g, int64_t stride, weights_4 *u) {
  const weights_4 g0 = g[0], g1 = g[stride], g2 = g[2 * stride];
  u[0] = g0;
  u[m + 1] = g2;
  if (m == 2) {
    u[1] = 0.5 * (g0 + g2 + g1);
    u[2] = 0.5 * (g0 + g2 - g1);
    return;
  }
  const double a = APUSK_WINOGRAD_A, b = APUSK_WINOGRAD_B, a2 = a * a, b2 = b * b;
  u[0] *= 1 / (a2 * b2);
  u[1] = (g0 + a2 * g2 + a * g1) * (0.5 / (a2 * (a2 - b2)));
  u[2] = (g0 + a2 * g2 - a * g1) * (0.5 / (a2 * (a2 - b2)));
  u[3] = (g0 + b2 * g2 + b * g1) * (0.5 / (b2 * (b2 - a2)));
  u[4] = (g0 + b2 * g2 - b * g1) * (0.5 / (b2 * (b2 - a2)));
}

// Input channels whose weights are gathered at once: so much of an output channel's is read in one piece.
#define GATHERED 8

void apusk_winograd_pack_panel(int32_t m, const float *weights, int64_t group_cin, int64_t columns, int32_t width,
                               float *packed) {
  int32_t n = m + 2;
  float taps[GATHERED][9][APUSK_GEMM_MAX_NR] = {{{0}}};
  float points[APUSK_WINOGRAD_MOST_POINTS][APUSK_GEMM_MAX_NR];  // of one input channel: `packed` is written in whole rows
  for (int64_t first = 0; first < group_cin; first += GATHERED) {
    int64_t channels = group_cin - first < GATHERED ? group_cin - first : GATHERED;
    for (int64_t j = 0; j < columns; j++) {
      const float *source = weights + (j * group_cin + first) * 9;
      for (int64_t c = 0; c < channels; c++) {
        for (int t = 0; t < 9; t++) taps[c][t][j] = *source++;
      }
    }
    for (int64_t c = 0; c < channels; c++) {
      for (int64_t j = 0; j < width; j += 4) {
        weights_4 g[9], lines[6 * 3], line[6];  // lines[i * 3 + x]: point i of column x of the kernel
        for (int t = 0; t < 9; t++) g[t] = __builtin_convertvector(*(const packed_4 *)(taps[c][t] + j), weights_4);
        for (int x = 0; x < 3; x++) {
          weight_line(m, g + x, 3, line);
          for (int i = 0; i < n; i++) lines[i * 3 + x] = line[i];
        }
        for (int i = 0; i < n; i++) {
          weight_line(m, lines + i * 3, 1, line);
          for (int x = 0; x < n; x++) *(packed_4 *)(points[i * n + x] + j) = __builtin_convertvector(line[x], packed_4);
        }
      }
      for (int p = 0; p < n * n; p++) {
        memcpy(packed + (p * group_cin + first + c) * width, points[p], sizeof(float) * (size_t)width);
      }
    }
  }
}

// --- Blocks of tiles ---

// Which block's transformed input lies in scratch: on several threads its parts come in calls of their own.
typedef struct kept {
  uint64_t turn;  // of the worker
  int64_t block;  // of all groups
} kept;
#define KEPT_FLOATS 16

// What lies in scratch: a `kept`, a pixel of zeros, the transformed input [points, tiles, cin], the products [points, tiles,
// nr].
// Between neighbours an odd number of cache lines, so that they fall into different sets.
typedef struct layout {
  int64_t tiles_y, tiles_x, tiles;  // of an image; of all
  int64_t zeros;                    // floats
  int64_t v_tile, v_point, sums_point;
  int64_t floats;
} layout;

// With `tiles` in a unit, few enough that nothing overflows.
static layout layout_of(const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape, int32_t nr, int64_t tiles) {
  layout l = {
      .tiles_y = apusk_divide_up(args->oh, args->winograd), .tiles_x = apusk_divide_up(args->ow, args->winograd),
      .zeros = (shape->group_cin + 15) & ~(int64_t)15, .sums_point = (tiles * nr) | 16,
  };
  l.tiles = args->batch * l.tiles_y * l.tiles_x;
  l.v_tile = l.zeros | 16;
  l.v_point = (tiles * l.v_tile) | 16;
  // The last load is a whole vector.
  l.floats = KEPT_FLOATS + l.zeros + apusk_conv_taps(args) * (l.v_point + l.sums_point) + 16;
  return l;
}

// Pixels of the tile whose first output is (oy, ox): those beside the image, and those under no output, are zeros.
static void find_pixels(const apusk_conv2d_f32_args *args, const float *image, int64_t oy, int64_t ox, const float *zeros,
                        const float **pixels) {
  int32_t n = args->winograd + 2;
  int64_t height = args->oh + 2 - args->pad_top, width = args->ow + 2 - args->pad_left;
  if (height > args->ih) height = args->ih;
  if (width > args->iw) width = args->iw;
  int64_t pixel = args->x_pixel_stride, top = oy - args->pad_top, left = ox - args->pad_left;
  if (top >= 0 && left >= 0 && top + n <= height && left + n <= width) {
    for (int64_t i = 0; i < n; i++) {
      const float *row = image + ((top + i) * args->iw + left) * pixel;
      for (int64_t j = 0; j < n; j++) *pixels++ = row + j * pixel;
    }
    return;
  }
  for (int64_t y = top, i = 0; i < n; y++, i++) {
    for (int64_t x = left, j = 0; j < n; x++, j++) {
      bool inside = y >= 0 && y < height && x >= 0 && x < width;
      *pixels++ = inside ? image + (y * args->iw + x) * pixel : zeros;
    }
  }
}

static void transform_input(const apusk_winograd_transforms *transforms, const apusk_conv2d_f32_args *args,
                            const apusk_conv_shape *shape, const layout *l, int64_t first, int64_t tiles, int64_t channel,
                            const float *zeros, float *v) {
  apusk_winograd_input input = {.v_point = l->v_point, .channels = shape->group_cin};
  for (int64_t t = first; t < first + tiles; t++) {
    int64_t ox = t % l->tiles_x, oy = t / l->tiles_x % l->tiles_y, image = t / l->tiles_x / l->tiles_y;
    find_pixels(args, args->x + image * args->ih * args->iw * args->x_pixel_stride + channel, oy * args->winograd,
                ox * args->winograd, zeros, input.pixels);
    input.v = v + (t - first) * l->v_tile;
    transforms->input(&input);
  }
}

// Pixels that a transform is about to touch: they come into the L2 cache while products are computed. The transforms are
// too short to wait for them (a third of the time of 64 channels on 224x224).
typedef struct coming {
  const float *pixels;    // the first channel of the first image's
  int64_t pixel;          // floats from one to the next
  int64_t height, width;  // of an image
  int64_t top, left;      // where the m x m pixels are that tile (0, 0) brings
  int64_t first, tiles;
  int64_t channels;
} coming;

static void ask_for_tile(const coming *c, const layout *l, int32_t m, int64_t tile) {
  int64_t y = tile / l->tiles_x % l->tiles_y * m + c->top, x = tile % l->tiles_x * m + c->left;
  int64_t end_y = y + m < c->height ? y + m : c->height, end_x = x + m < c->width ? x + m : c->width;
  if (x < 0) x = 0;
  for (y = y < 0 ? 0 : y; y < end_y; y++) {
    const float *at = c->pixels + ((tile / l->tiles_x / l->tiles_y * c->height + y) * c->width + x) * c->pixel;
    for (int64_t i = x; i < end_x; i++, at += c->pixel) {
      for (int64_t channel = 0; channel < c->channels; channel += 16) __builtin_prefetch(at + channel, 0, 2);
    }
  }
}

// Asks for part number `part` of `parts`.
static void ask(const coming *c, const layout *l, int32_t m, int64_t part, int64_t parts) {
  int64_t end = (part + 1) * c->tiles / parts;
  for (int64_t i = part * c->tiles / parts; i < end; i++) ask_for_tile(c, l, m, c->first + i);
}

// Products of all points, for one panel of `width` columns. `next_b` (or NULL): the weights after these; `soon`: what else the
// time is used for.
static void multiply(const apusk_gemm_isa *isa, const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                     const layout *l, int64_t tiles, const float *v, const float *b, const float *next_b,
                     int32_t width, float *sums, const coming *soon, int32_t soon_count) {
  int64_t count = apusk_divide_up(tiles, isa->kernels.mr), points = apusk_conv_taps(args);
  apusk_tile tile = {
      .a_row = l->v_tile, .runs_x = 1, .run = shape->group_cin, .depth = shape->group_cin, .b = b, .c_row = width,
      .width = width,
  };
  for (int64_t point = 0; point < points; point++) {
    tile.a = v + point * l->v_point;
    tile.c = sums + point * l->sums_point;
    const float *next = point + 1 < points ? tile.b + shape->group_cin * width : next_b;
    for (int64_t index = 0; index < count; index++) {
      for (int32_t i = 0; i < soon_count; i++) ask(&soon[i], l, args->winograd, point * count + index, points * count);
      tile.rows = (int32_t)apusk_tile_rows(tiles, count, index);
      apusk_tile_look_ahead(&tile, next, index, count);
      isa->tile(&tile);
      tile.a += tile.rows * tile.a_row;
      tile.c += tile.rows * width;
    }
    tile.b += shape->group_cin * width;
  }
}

static void transform_output(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, const layout *l, int64_t first,
                             int64_t tiles, int64_t channel, int64_t columns, int32_t width, const float *sums) {
  int32_t m = args->winograd;
  const apusk_tail *tail = &args->tail;
  apusk_winograd_output output = {
      .sums = sums, .sums_point = l->sums_point, .y_row = args->ow * args->y_pixel_stride, .y_pixel = args->y_pixel_stride,
      .channels = columns,
  };
  apusk_finish finish = {
      .tail = tail, .bias = tail->bias ? tail->bias + channel : NULL, .source_row = args->y_pixel_stride,
      .output_row = args->y_pixel_stride, .columns = columns,
  };
  apusk_tile_end end;
  finish.residual = tail->residual;
  const bool fused = apusk_activation_is_bound(tail->activation) && apusk_tile_end_of(&finish, &end);
  if (!fused) end = (apusk_tile_end){.low = -INFINITY, .high = INFINITY};
  output.bias = end.bias;
  output.residual_row = args->ow * end.residual_row;
  output.residual_pixel = end.residual_row;
  output.low = end.low;
  output.high = end.high;
  for (int64_t t = first; t < first + tiles;) {
    // Tiles side by side: their rows of pixels are finished together.
    int64_t tile_x = t % l->tiles_x, tile_y = t / l->tiles_x % l->tiles_y, image = t / l->tiles_x / l->tiles_y;
    int64_t count = l->tiles_x - tile_x < first + tiles - t ? l->tiles_x - tile_x : first + tiles - t;
    int64_t pixel = (image * args->oh + tile_y * m) * args->ow + tile_x * m;
    output.rows = args->oh - tile_y * m < m ? args->oh - tile_y * m : m;
    for (int64_t i = 0; i < count; i++) {
      output.y = args->y + (pixel + i * m) * args->y_pixel_stride + channel;
      if (end.residual) output.residual = end.residual + (pixel + i * m) * end.residual_row + channel;
      output.columns = args->ow - (tile_x + i) * m < m ? args->ow - (tile_x + i) * m : m;
      isa->winograd[m == 4].output(&output);
      output.sums += width;
    }
    finish.rows = (count - 1) * m + output.columns;
    for (int64_t row = 0; row < output.rows && !fused; row++) {
      finish.source = finish.output = args->y + pixel * args->y_pixel_stride + channel;
      if (tail->residual) {
        finish.residual = tail->residual + pixel * tail->residual_row_stride + channel * tail->residual_column_stride;
      }
      isa->gemm->finish(&finish);
      pixel += args->ow;
    }
    t += count;
  }
}

void apusk_winograd_cut(const apusk_conv_isa *isa, apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                        apusk_plan *plan) {
  const int32_t mr = isa->gemm->kernels.mr, nr = isa->gemm->kernels.nr;
  layout l = layout_of(args, shape, nr, 1);
  // As many tiles as fit half of an L2 cache, in whole micro-kernels; more where the weights, which don't fit, would be read for
  // few of them.
  int64_t most = MOST_FLOATS / (l.v_point + l.sums_point) / apusk_conv_taps(args) / mr * mr;
  int64_t least = shape->group_floats > MOST_FLOATS ? LEAST_TILES : mr;
  double tile_panel = (double)shape->k * nr, wanted = 20.0 * (double)isa->gemm->multiplies_per_us;
  double each = tile_panel * (double)shape->panels;  // multiplications of a tile
  int64_t units = (int64_t)(each * (double)l.tiles / wanted);
  if (units > 16) units = 16;
  int64_t rows = units > 1 ? apusk_divide_up(apusk_divide_up(l.tiles, units), mr) * mr : l.tiles;
  if (rows > most) rows = most;
  if (rows < least) rows = least;
  int64_t blocks = apusk_divide_up(l.tiles, rows);
  args->rows_per_unit = apusk_divide_up(l.tiles, blocks);
  args->panels_per_unit = shape->panels;
  // Parts of the panels transform the input again: only where there are few blocks, and no narrower than PART_COLUMNS.
  if (blocks * args->groups < 8) {
    int64_t parts = shape->panels / apusk_divide_up(PART_COLUMNS, nr);
    int64_t useful = (int64_t)(each * (double)args->rows_per_unit / wanted);
    if (parts > useful) parts = useful;
    if (parts > 1) args->panels_per_unit = apusk_divide_up(shape->panels, parts);
  }
  plan->scratch_bytes = layout_of(args, shape, nr, args->rows_per_unit).floats * (int64_t)sizeof(float);
  plan->grain = apusk_gemm_grain(tile_panel * (double)args->rows_per_unit * (double)args->panels_per_unit,
                                 isa->gemm->multiplies_per_us);
  plan->units = blocks * args->groups * apusk_divide_up(shape->panels, args->panels_per_unit);
}

// Pixels of the outputs of a block, from `channel` on, and of what is added to them.
static int32_t coming_output(const apusk_conv2d_f32_args *args, int64_t first, int64_t tiles, int64_t channel,
                             int64_t columns, coming *soon) {
  const apusk_tail *tail = &args->tail;
  soon[0] = (coming){
      .pixels = args->y + channel, .pixel = args->y_pixel_stride, .height = args->oh, .width = args->ow, .first = first,
      .tiles = tiles, .channels = columns,
  };
  if (!tail->residual || tail->residual_column_stride != 1 || tail->residual_row_stride < columns) return 1;
  soon[1] = soon[0];
  soon[1].pixels = tail->residual + channel;
  soon[1].pixel = tail->residual_row_stride;
  return 2;
}

// Units: group, block of tiles, part of the panels.
void apusk_winograd_run(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                        int64_t begin, int64_t end, apusp_worker *worker) {
  int32_t nr = isa->gemm->kernels.nr;
  const layout l = layout_of(args, shape, nr, args->rows_per_unit);
  kept *kept = worker->scratch;
  float *zeros = (float *)worker->scratch + KEPT_FLOATS, *v = zeros + l.zeros, *sums = v + apusk_conv_taps(args) * l.v_point;
  memset(zeros, 0, sizeof(float) * (size_t)l.zeros);
  int64_t blocks = apusk_divide_up(l.tiles, args->rows_per_unit);
  int64_t parts = apusk_divide_up(shape->panels, args->panels_per_unit);
  for (int64_t unit = begin; unit < end;) {
    int64_t part = unit % parts, first = unit / parts % blocks * args->rows_per_unit, group = unit / parts / blocks;
    int64_t tiles = l.tiles - first < args->rows_per_unit ? l.tiles - first : args->rows_per_unit;
    int64_t end_part = parts - part < end - unit ? parts : part + (end - unit);
    int64_t end_panel = end_part * args->panels_per_unit;
    if (end_panel > shape->panels) end_panel = shape->panels;
    if (worker->turn == 0 || kept->turn != worker->turn || kept->block != unit / parts) {
      transform_input(&isa->winograd[args->winograd == 4], args, shape, &l, first, tiles, group * shape->group_cin, zeros, v);
      kept->turn = worker->turn;
      kept->block = unit / parts;
    }
    unit += end_part - part;
    for (int64_t panel = part * args->panels_per_unit; panel < end_panel; panel++) {
      int64_t column = panel * nr;
      int32_t width = apusk_gemm_panel_width(shape->group_cout, panel, nr);
      int64_t columns = shape->group_cout - column < width ? shape->group_cout - column : width;
      int64_t channel = group * shape->group_cout + column;
      coming soon[3];
      int32_t soon_count = coming_output(args, first, tiles, channel, columns, soon);
      if (panel + 1 == end_panel && unit < end) {
        int64_t next = unit / parts % blocks * args->rows_per_unit;
        soon[soon_count++] = (coming){
            .pixels = args->x + unit / parts / blocks * shape->group_cin, .pixel = args->x_pixel_stride, .height = args->ih,
            .width = args->iw, .top = 2 - args->pad_top, .left = 2 - args->pad_left, .first = next,
            .tiles = l.tiles - next < args->rows_per_unit ? l.tiles - next : args->rows_per_unit,
            .channels = shape->group_cin,
        };
      }
      const float *weights = args->w + group * shape->group_floats;
      // After the last panel of the last part come those of another block, or nothing.
      const float *next_weights = panel + 1 < shape->panels ? weights + (column + nr) * shape->k : NULL;
      multiply(isa->gemm, args, shape, &l, tiles, v, weights + column * shape->k, next_weights, width, sums, soon,
               soon_count);
      transform_output(isa, args, &l, first, tiles, channel, columns, width, sums);
    }
  }
}
