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

// --- Blocks of tiles ---

// Which block's transformed input lies in scratch: on several threads its parts come in calls of their own.
typedef struct kept {
  uint64_t turn;  // of the worker
  int64_t block;  // of all groups
} kept;
#define KEPT_FLOATS 16
_Static_assert(sizeof(kept) <= KEPT_FLOATS * sizeof(float), "what stands at the front of the scratch");

// What lies in scratch: a `kept`, a pixel of zeros, the transformed input [tiles, points, cin], the products [tiles, points,
// nr]: a transform writes or reads one piece of memory.
// Between neighbours an odd number of cache lines, so that they fall into different sets.
typedef struct layout {
  int64_t m;
  int64_t y[2], x[2];  // tiles of m outputs, then those of m - 2, on each axis
  int64_t tiles;       // of all images
  int64_t zeros;       // floats
  int64_t v_point, v_tile, sums_tile;
  int64_t floats;
} layout;

// With `tiles` in a unit, few enough that nothing overflows.
static layout layout_of(const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape, int32_t nr, int64_t tiles) {
  layout l = {.m = args->winograd, .zeros = (shape->group_cin + 15) & ~(int64_t)15};
  apusk_winograd_cut_axis(l.m, args->oh, l.y);
  apusk_winograd_cut_axis(l.m, args->ow, l.x);
  l.tiles = args->batch * (l.y[0] + l.y[1]) * (l.x[0] + l.x[1]);
  l.v_point = l.zeros | 16;
  l.v_tile = (apusk_conv_taps(args) * l.v_point) | 16;
  l.sums_tile = (apusk_conv_taps(args) * nr) | 16;
  // The last load is a whole vector.
  l.floats = KEPT_FLOATS + l.zeros + tiles * (l.v_tile + l.sums_tile) + 16;
  return l;
}

// Tiles are in the order of their kinds, m - 2 high and m wide, m x m, m high and m - 2 wide, (m - 2) x (m - 2): so those
// that use a point lie side by side. Within a kind, images after each other, rows after each other.
typedef struct place {
  int64_t image, y, x;    // of the first output
  int64_t height, width;  // of the whole tile
  int64_t more;           // tiles of its kind from here on in its row
} place;

// Tiles of the first `kinds` kinds.
static int64_t tiles_before(const apusk_conv2d_f32_args *args, const layout *l, int32_t kinds) {
  const int64_t counts[] = {l->y[1] * l->x[0], l->y[0] * l->x[0], l->y[0] * l->x[1], l->y[1] * l->x[1]};
  int64_t sum = 0;
  for (int32_t kind = 0; kind < kinds; kind++) sum += counts[kind];
  return args->batch * sum;
}

static place place_of(const apusk_conv2d_f32_args *args, const layout *l, int64_t tile) {
  int32_t kind = 3;
  while (tile < tiles_before(args, l, kind)) kind--;
  tile -= tiles_before(args, l, kind);
  const bool low = kind == 0 || kind == 3, narrow = kind >= 2;
  const int64_t columns = l->x[narrow], rows = l->y[low], x = tile % columns, y = tile / columns % rows;
  const int64_t height = low ? l->m - 2 : l->m, width = narrow ? l->m - 2 : l->m;
  return (place){
      .image = tile / columns / rows, .y = (low ? l->y[0] * l->m : 0) + y * height,
      .x = (narrow ? l->x[0] * l->m : 0) + x * width, .height = height, .width = width, .more = columns - x,
  };
}

// Tiles that point number `point` of all is a point of.
static void tiles_of_point(const apusk_conv2d_f32_args *args, const layout *l, int64_t point, int64_t *begin, int64_t *end) {
  const bool high = point / (l->m + 2) >= l->m, wide = point % (l->m + 2) >= l->m;
  *begin = high ? tiles_before(args, l, 1) : 0;
  *end = tiles_before(args, l, wide ? 2 : high ? 3 : 4);
}

// Pixels of a tile: those beside the image, and those under no output, are zeros.
static void find_pixels(const apusk_conv2d_f32_args *args, const place *at, int64_t channel, const float *zeros,
                        const float *pixels[8][8]) {
  int64_t height = args->oh + 2 - args->pad_top, width = args->ow + 2 - args->pad_left;
  if (height > args->ih) height = args->ih;
  if (width > args->iw) width = args->iw;
  const float *image = args->x + at->image * args->ih * args->iw * args->x_pixel_stride + channel;
  int64_t pixel = args->x_pixel_stride, top = at->y - args->pad_top, left = at->x - args->pad_left;
  if (top >= 0 && left >= 0 && top + at->height + 2 <= height && left + at->width + 2 <= width) {
    const float *corner = image + (top * args->iw + left) * pixel;
    for (int64_t j = 0; j < at->width + 2; j++, corner += pixel) {
      for (int64_t i = 0; i < at->height + 2; i++) pixels[j][i] = corner + i * args->iw * pixel;
    }
    return;
  }
  for (int64_t x = left, j = 0; j < at->width + 2; x++, j++) {
    for (int64_t y = top, i = 0; i < at->height + 2; y++, i++) {
      bool inside = y >= 0 && y < height && x >= 0 && x < width;
      pixels[j][i] = inside ? image + (y * args->iw + x) * pixel : zeros;
    }
  }
}

static const apusk_winograd_line *line_of(int64_t m, int64_t outputs) { return &apusk_winograd_lines[m / 2 - 1][outputs != m]; }

static void transform_input(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                            const layout *l, int64_t first, int64_t tiles, int64_t channel, const float *zeros, float *v) {
  apusk_winograd_input input = {.v_row = (l->m + 2) * l->v_point, .v_point = l->v_point, .channels = shape->group_cin};
  for (int64_t t = first; t < first + tiles; t++) {
    const place at = place_of(args, l, t);
    find_pixels(args, &at, channel, zeros, input.pixels);
    input.column = line_of(l->m, at.height);
    input.row = line_of(l->m, at.width);
    input.v = v + (t - first) * l->v_tile;
    isa->winograd.input(&input);
  }
}

// Pixels that a transform is about to touch: they come into the L2 cache while products are computed. The transforms are
// too short to wait for them (a third of the time of 64 channels on 224x224).
typedef struct coming {
  const float *pixels;    // the first channel of the first image's
  int64_t pixel;          // floats from one to the next
  int64_t height, width;  // of an image
  int64_t top, left;      // where the pixels are that tile (0, 0) brings, as many as its outputs
  int64_t tile, end;      // tiles still to come
  int64_t channels;
  bool halved;        // of 2x2 outputs one pixel
  int64_t row, rows;  // the next one of the first of these tiles; rows asked for
  place at;           // of this tile
} coming;

// A row of a tile.
static void ask_for_row(const coming *c) {
  const int64_t y = c->at.y + c->top + c->row;
  if (y < 0 || y >= c->height) return;
  int64_t x = c->at.x + c->left, end = x + c->at.width < c->width ? x + c->at.width : c->width;
  if (x < 0) x = 0;
  const float *pixel = c->pixels + ((c->at.image * c->height + y) * c->width + x) * c->pixel;
  for (; x < end; x++, pixel += c->pixel) {
    for (int64_t channel = 0; channel < c->channels; channel += 16) __builtin_prefetch(pixel + channel, 0, 2);
  }
}

// Asks for all that is still missing of the first `rows` rows, m for each tile: a few at a time, as many as the core keeps track
// of beside its products.
static void ask(const apusk_conv2d_f32_args *args, const layout *l, coming *c, int64_t rows) {
  for (; c->rows < rows && c->tile < c->end; c->rows++) {
    if (c->row == 0) {
      c->at = place_of(args, l, c->tile);
      if (c->halved) c->at = (place){c->at.image, c->at.y / 2, c->at.x / 2, c->at.height / 2, c->at.width / 2, 0};
    }
    if (c->row < c->at.height) ask_for_row(c);
    if (++c->row == l->m) {
      c->row = 0;
      c->tile++;
    }
  }
}

// Products of all points, for one panel of `width` columns and `tiles` tiles from `first` on. `next_b` (or NULL): the weights
// after these; `soon`: what else the time is used for.
static void multiply(const apusk_gemm_isa *isa, const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                     const layout *l, int64_t first, int64_t tiles, const float *v, const float *b, const float *next_b,
                     int32_t width, float *sums, coming *soon, int32_t soon_count) {
  const int64_t most = apusk_divide_up(tiles, isa->kernels.mr) + 1, points = apusk_conv_taps(args);
  apusk_tile tile = {
      .a_row = l->v_tile, .runs_x = 1, .run = shape->group_cin, .depth = shape->group_cin, .b = b, .c_row = l->sums_tile,
      .width = width,
  };
  for (int64_t point = 0; point < points; point++) {
    int64_t begin, end;
    tiles_of_point(args, l, point, &begin, &end);
    end = end < first + tiles ? end - first : tiles;
    begin = begin > first ? begin - first : 0;
    // Points that no tile of the block has.
    if (begin > tiles) begin = tiles;
    const int64_t rows = end > begin ? end - begin : 0;
    int64_t count = apusk_divide_up(rows, isa->kernels.mr);
    if (count == 1 && rows > 7 && next_b) count = 2;
    tile.a = v + point * l->v_point + begin * l->v_tile;
    tile.c = sums + point * width + begin * l->sums_tile;
    const float *next = point + 1 < points ? tile.b + shape->group_cin * width : next_b;
    for (int64_t index = 0; index < most; index++) {
      for (int32_t i = 0; i < soon_count; i++) {
        const int64_t all = (soon[i].end - soon[i].tile) * l->m + soon[i].rows - soon[i].row;
        ask(args, l, &soon[i], (point * most + index + 1) * all / (points * most));
      }
      if (index >= count) continue;
      tile.rows = (int32_t)apusk_tile_rows(rows, count, index);
      apusk_tile_look_ahead(&tile, next, index, count);
      isa->tile(&tile);
      tile.a += tile.rows * tile.a_row;
      tile.c += tile.rows * tile.c_row;
    }
    tile.b += shape->group_cin * width;
  }
}

static void transform_output(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, const layout *l, int64_t first,
                             int64_t tiles, int64_t channel, int64_t columns, int32_t width, const float *sums) {
  const apusk_tail *tail = &args->tail;
  apusk_winograd_output output = {
      .sums = sums, .sums_row = (l->m + 2) * width, .sums_point = width,
      .y_row = args->ow * args->y_pixel_stride, .y_pixel = args->y_pixel_stride, .channels = columns,
  };
  apusk_finish finish = {
      .tail = tail, .bias = tail->bias ? tail->bias + channel : NULL, .source_row = args->y_pixel_stride,
      .output_row = args->y_pixel_stride, .columns = columns,
  };
  apusk_tile_end end;
  float outputs[36 * APUSK_GEMM_MAX_NR];  // of a tile, where maxima are taken of them
  apusk_winograd_pool pool = {
      .source = outputs, .source_row = 6 * width, .source_pixel = width, .y_row = args->ow / 2 * args->y_pixel_stride,
      .y_pixel = args->y_pixel_stride, .channels = columns,
  };
  if (args->pool) {
    output.y_row = pool.source_row;
    output.y_pixel = pool.source_pixel;
  }
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
    const place at = place_of(args, l, t);
    int64_t count = at.more < first + tiles - t ? at.more : first + tiles - t;
    int64_t pixel = (at.image * args->oh + at.y) * args->ow + at.x;
    output.column = line_of(l->m, at.height);
    output.row = line_of(l->m, at.width);
    output.rows = args->oh - at.y < at.height ? args->oh - at.y : at.height;
    pool.rows = output.rows / 2;
    for (int64_t i = 0; i < count; i++) {
      const int64_t skip = i * at.width, rest = args->ow - at.x - skip;
      output.columns = rest < at.width ? rest : at.width;
      output.y = args->pool ? outputs : args->y + (pixel + skip) * args->y_pixel_stride + channel;
      if (end.residual) output.residual = end.residual + (pixel + skip) * end.residual_row + channel;
      isa->winograd.output(&output);
      output.sums += l->sums_tile;
      if (!args->pool) continue;
      pool.columns = output.columns / 2;
      pool.y = args->y + (at.image * (args->oh / 2) + at.y / 2) * pool.y_row + (at.x + skip) / 2 * pool.y_pixel + channel;
      isa->winograd.pool(&pool);
    }
    finish.rows = (count - 1) * at.width + output.columns;
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
  int64_t most = MOST_FLOATS / (l.v_tile + l.sums_tile) / mr * mr;
  int64_t least = shape->group_floats > MOST_FLOATS ? LEAST_TILES : mr;
  // Multiplications of a tile, on average: those of m - 2 have fewer.
  double tile_panel = (double)shape->k * nr * apusk_winograd_points(args) /
                      (double)((l.y[0] + l.y[1]) * (l.x[0] + l.x[1]) * apusk_conv_taps(args));
  double wanted = 20.0 * (double)isa->gemm->multiplies_per_us, each = tile_panel * (double)shape->panels;
  const double units_of_time = each * (double)l.tiles / wanted;
  int64_t units = units_of_time < 16 ? (int64_t)units_of_time : 16;
  int64_t rows = units > 1 ? apusk_divide_up(apusk_divide_up(l.tiles, units), mr) * mr : l.tiles;
  if (rows > most) rows = most;
  if (rows < least) rows = least;
  int64_t blocks = apusk_divide_up(l.tiles, rows);
  args->rows_per_unit = apusk_divide_up(l.tiles, blocks);
  args->panels_per_unit = shape->panels;
  // Parts of the panels transform the input again: only where there are few blocks, and no narrower than PART_COLUMNS.
  if (blocks * args->groups < 8) {
    int64_t parts = shape->panels / apusk_divide_up(PART_COLUMNS, nr);
    const double useful = each * (double)args->rows_per_unit / wanted;
    if ((double)parts > useful) parts = (int64_t)useful;
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
      .pixels = args->y + channel, .pixel = args->y_pixel_stride, .height = args->oh >> args->pool,
      .width = args->ow >> args->pool, .tile = first, .end = first + tiles, .channels = columns, .halved = args->pool,
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
  float *zeros = (float *)worker->scratch + KEPT_FLOATS, *v = zeros + l.zeros, *sums = v + args->rows_per_unit * l.v_tile;
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
      transform_input(isa, args, shape, &l, first, tiles, group * shape->group_cin, zeros, v);
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
            .width = args->iw, .top = 2 - args->pad_top, .left = 2 - args->pad_left, .tile = next,
            .end = l.tiles - next < args->rows_per_unit ? l.tiles : next + args->rows_per_unit,
            .channels = shape->group_cin,
        };
      }
      const float *weights = args->w + group * shape->group_floats;
      // After the last panel of the last part come those of another block, or nothing.
      const float *next_weights = panel + 1 < shape->panels ? weights + (column + nr) * shape->k : NULL;
      multiply(isa->gemm, args, shape, &l, first, tiles, v, weights + column * shape->k, next_weights, width, sums, soon,
               soon_count);
      transform_output(isa, args, &l, first, tiles, channel, columns, width, sums);
    }
  }
}
