// The loops around the tiles of a level, and what the tail takes for each column and row.
#include <string.h>

#include "integer_isa.h"

#pragma clang fp contract(off)

const uint32_t apusk_integer_flips[2][16] = {
    {0},
    {0x80808080u, 0x80808080u, 0x80808080u, 0x80808080u, 0x80808080u, 0x80808080u, 0x80808080u, 0x80808080u, 0x80808080u,
     0x80808080u, 0x80808080u, 0x80808080u, 0x80808080u, 0x80808080u, 0x80808080u, 0x80808080u},
};

bool apusk_integer_tail_is_valid(const apusk_integer_tail *tail) {
  if (tail->activation < 0 || tail->activation >= APUSK_ACTIVATION_COUNT) return false;
  switch (tail->output_type) {
    case APUSK_UINT8:
      return tail->low >= 0 && tail->low <= tail->high && tail->high <= 255;
    case APUSK_INT8:
      return tail->low >= -128 && tail->low <= tail->high && tail->high <= 127;
    default:
      return tail->output_type == APUSK_INT32 || tail->output_type == APUSK_FLOAT32;
  }
}

// The count words at `from`, or one of them for all.
static void words_of(const void *from, bool each, int64_t count, void *words) {
  if (each) {
    memcpy(words, from, 4 * (size_t)count);
    return;
  }
  int32_t word;
  memcpy(&word, from, sizeof word);
  for (int64_t j = 0; j < count; j++) ((int32_t *)words)[j] = word;
}

typedef uint32_t words4 __attribute__((ext_vector_type(4)));
typedef float floats4 __attribute__((ext_vector_type(4)));

// Zero points of columns as the kernels see them; whether one is not 0.
static bool find_b_zeros(const apusk_integer_block *block, int64_t first, int64_t count, int32_t *zeros) {
  const int64_t step = block->tail->b_zero_column;
  int32_t any = 0;
  if (!block->b_zero && block->b_signed) return false;
  for (int64_t j = 0; j < count; j++) {
    zeros[j] = apusk_integer_b_zero(block->b_zero, (first + j) * step, block->b_signed);
    any |= zeros[j];
    // One for all, 0.
    if (any == 0 && step == 0) return false;
  }
  return any != 0;
}

// By vectors: what stands beside `count` is 0 or not used.
bool apusk_integer_columns_of(const apusk_integer_block *block, int64_t first, int64_t count, const int32_t *sums,
                              apusk_integer_columns *columns) {
  const apusk_integer_tail *tail = block->tail;
  const int64_t vectors = (count + APUSK_INTEGER_PANEL - 1) / APUSK_INTEGER_PANEL * (APUSK_INTEGER_PANEL / 4);
  words4 *start = (words4 *)columns->start, *total = (words4 *)columns->total, *b_zero = (words4 *)columns->b_zero;
  floats4 *scale = (floats4 *)columns->scale, *bias = (floats4 *)columns->bias;
  for (int64_t v = 0; v < vectors; v++) {
    start[v] = total[v] = b_zero[v] = 0;
    scale[v] = 0.0f;
    bias[v] = -0.0f;  // v + -0 is v, whatever v is
  }
  memcpy(total, sums, 4 * (size_t)count);
  const bool b_zeros = find_b_zeros(block, first, count, columns->b_zero);
  for (int64_t v = 0; v < vectors && b_zeros; v++) total[v] -= (uint32_t)block->k * b_zero[v];
  if (block->bias) words_of(block->bias + first * tail->bias_column, tail->bias_column != 0, count, start);
  const bool by_rows = tail->a_zero_row && block->a_zero;
  const uint32_t a_zero = by_rows ? 0 : (uint32_t)apusk_integer_a_zero(block->a_zero, 0, block->a_signed);
  for (int64_t v = 0; v < vectors; v++) start[v] -= a_zero * total[v];
  columns->small = false;
  if (tail->output_type == APUSK_INT32) return b_zeros;
  const bool whole = tail->a_scale_row == 0, is_byte = tail->output_type != APUSK_FLOAT32;
  const float a_scale = whole ? tail->alpha * *block->a_scale : 1.0f, y_scale = is_byte && whole ? *tail->y_scale : 1.0f;
  words_of(block->b_scale + first * tail->b_scale_column, tail->b_scale_column != 0, count, scale);
  if (!is_byte && block->float_bias) {
    words_of(block->float_bias + first * tail->bias_column, tail->bias_column != 0, count, bias);
  }
  const float limit = 1 << 20;
  columns->small = !tail->residual || (tail->factor_a < limit && tail->factor_a > -limit && tail->factor_b < limit &&
                                       tail->factor_b > -limit);
  for (int64_t v = 0; v < vectors; v++) {
    // Division and multiplication by 1 change nothing.
    floats4 value = a_scale * scale[v];
    if (y_scale != 1.0f) value /= y_scale;
    scale[v] = value;
    const words4 bounded = (words4)(value < 0.5f & value > -0.5f);
    columns->small = columns->small && (bounded[0] & bounded[1] & bounded[2] & bounded[3]) != 0;
  }
  for (int64_t j = count; j < 4 * vectors; j++) columns->scale[j] = 0.0f;
  return b_zeros;
}

static void set_byte_tail(apusk_integer_byte_tail *bytes, int32_t zero, int32_t low, int32_t high) {
  for (int i = 0; i < 32; i++) bytes->zeros[i] = (int16_t)zero;
  memset(bytes->low, low, sizeof bytes->low);
  memset(bytes->high, high, sizeof bytes->high);
}

apusk_integer_bytes apusk_integer_bytes_of(const apusk_integer_tail *tail) {
  const bool is_signed = tail->output_type == APUSK_INT8;
  const int32_t shift = is_signed ? 128 : 0;
  apusk_integer_bytes bytes = {.zero_a = tail->zero_a + shift, .zero_b = tail->zero_b + shift};
  if (!apusk_integer_is_byte(tail->output_type)) return bytes;
  set_byte_tail(&bytes.own, apusk_integer_byte(tail->y_zero, 0, is_signed) + shift, tail->low + shift, tail->high + shift);
  set_byte_tail(&bytes.joined, tail->residual_zero + shift, tail->residual_low + shift, tail->residual_high + shift);
  memset(bytes.flip, shift, sizeof bytes.flip);
  return bytes;
}

apusk_integer_finish apusk_integer_finish_of(const apusk_integer_block *block, const apusk_integer_columns *columns,
                                             const apusk_integer_bytes *bytes) {
  const apusk_integer_tail *tail = block->tail;
  const bool is_byte = apusk_integer_is_byte(tail->output_type);
  return (apusk_integer_finish){
      .columns = columns, .output_row = block->c_row, .tail = tail, .bytes = bytes, .y_scale = is_byte ? *tail->y_scale : 1.0f,
      .y_zero = is_byte ? apusk_integer_byte(tail->y_zero, 0, tail->output_type == APUSK_INT8) : 0,
  };
}

typedef uint16_t halves8 __attribute__((ext_vector_type(8)));

// The sum of bytes, each turned by `flip`: pairs of them in lanes of 16 bits, which hold 128 of 510.
static uint32_t sum_bytes(const uint8_t *a, int64_t count, uint8_t flip) {
  uint32_t sum = 0;
  while (count >= 16) {
    halves8 sums = 0;
    for (int i = 0; i < 128 && count >= 16; i++, a += 16, count -= 16) {
      halves8 v;
      memcpy(&v, a, sizeof v);
      v ^= (uint16_t)(flip * 257);
      sums += (v & 255) + (v >> 8);
    }
    const words4 pairs = __builtin_convertvector(sums.lo, words4) + __builtin_convertvector(sums.hi, words4);
    sum += pairs[0] + pairs[1] + pairs[2] + pairs[3];
  }
  for (; count > 0; count--) sum += (uint32_t)(*a++ ^ flip);
  return sum;
}

// The sums of `rows` rows of A as the kernels see it, without the padding of its runs.
static void sum_rows(const apusk_integer_tile *tile, int64_t run, uint8_t flip, int32_t *sums) {
  for (int64_t i = 0; i < tile->rows; i++) {
    uint32_t sum = 0;
    for (int64_t y = 0; y < tile->runs_y; y++) {
      for (int64_t x = 0; x < tile->runs_x; x++) {
        sum += sum_bytes(tile->a + i * tile->a_row + y * tile->a_y + x * tile->a_x, run, flip);
      }
    }
    sums[i] = (int32_t)sum;
  }
}

// Of so many rows of A the sums are found once for all panels.
#define KEPT_ROWS 64

// What rows row ..< row + tile->rows of a group give to the finish, besides their sums.
typedef struct row_parameters {
  int32_t zeros[APUSK_INTEGER_ROWS], sums[APUSK_INTEGER_ROWS];
  float scales[APUSK_INTEGER_ROWS];
} row_parameters;

static void find_rows(const apusk_integer_block *block, const apusk_integer_tile *tile, int64_t row, int32_t *sums,
                      bool is_found, row_parameters *rows, apusk_integer_finish *finish) {
  const apusk_integer_tail *tail = block->tail;
  if (tail->a_zero_row && block->a_zero) {
    for (int64_t i = 0; i < tile->rows; i++) rows->zeros[i] = apusk_integer_a_zero(block->a_zero, row + i, block->a_signed);
    finish->row_zeros = rows->zeros;
  }
  if (tail->a_scale_row && tail->output_type != APUSK_INT32) {
    for (int64_t i = 0; i < tile->rows; i++) rows->scales[i] = tail->alpha * block->a_scale[row + i];
    finish->row_scales = rows->scales;
  }
  if (sums && !is_found) sum_rows(tile, block->run, block->a_signed ? 0x80 : 0, sums);
  finish->row_sums = sums;
}

// A tile's way to its results, and those of the tile before it.
typedef struct tile_work {
  _Alignas(64) int32_t sums[APUSK_INTEGER_ROWS * 2 * APUSK_INTEGER_PANEL];
  row_parameters rows;
  apusk_integer_finish finish;
} tile_work;

// `row_sums` is NULL where B has no zero points. Returns whether the tile's finish waits for the next tile.
static bool run_tile(const apusk_integer_isa *isa, const apusk_integer_block *block, apusk_integer_tile *tile, int64_t row,
                     int32_t *row_sums, bool is_found, tile_work *work) {
  apusk_integer_finish *finish = &work->finish;
  const apusk_integer_tail *tail = block->tail;
  // Stores to lines that are not in the caches would wait for memory, one by one: long sums leave time to fetch them.
  const int64_t bytes = apusk_integer_output_bytes(tail->output_type);
  for (int64_t i = 0; block->k >= 256 && i < tile->rows; i++) {
    const char *line = (const char *)finish->output + i * finish->output_row * bytes;
    __builtin_prefetch(line, 1);
    if (bytes == 4) __builtin_prefetch(line + 64, 1);
  }
  find_rows(block, tile, row, row_sums, is_found, &work->rows, finish);
  tile->sums = work->sums;
  const bool pairs = isa->finishes_pairs && finish->count == 2 * APUSK_INTEGER_PANEL && block->k > 0 && !finish->row_sums &&
                     2 * tile->rows > isa->rows;
  const bool here = pairs && bytes == 1 && finish->columns->small && !finish->row_zeros && !finish->row_scales;
  tile->finish = here ? finish : NULL;
  if (block->k > 0) {
    isa->tile(tile);
    finish->rows = tile->rows;
    if (here) return finish->residual != NULL;
  } else {
    for (int64_t i = 0; i < tile->rows; i++) {
      memcpy(tile->sums + i * finish->sums_row, tile->start, sizeof(int32_t) * (size_t)finish->sums_row);
    }
  }
  finish->sums = tile->sums;
  finish->rows = tile->rows;
  if (pairs && tail->output_type == APUSK_FLOAT32 && tail->activation == APUSK_ACTIVATION_NONE) return true;
  isa->finish(finish);
  if (tail->output_type == APUSK_FLOAT32 && tail->activation != APUSK_ACTIVATION_NONE) {
    isa->activate(finish->output, finish->rows, finish->output_row, finish->count, tail->activation, tail->activation_alpha,
                  tail->activation_beta);
  }
  return false;
}

void apusk_integer_block_run(const apusk_integer_isa *isa, const apusk_integer_block *block) {
  // By turns: while a tile is summed, the one before it is ended.
  tile_work works[2];
  apusk_integer_columns columns[2];
  int32_t kept[KEPT_ROWS];
  const bool keeps = block->groups * block->rows <= KEPT_ROWS;
  bool found = false;
  const apusk_integer_tail *tail = block->tail;
  const apusk_integer_bytes byte_tail = apusk_integer_bytes_of(tail);
  const int64_t bytes = apusk_integer_output_bytes(tail->output_type), quads = apusk_integer_quads(block->run);
  const int64_t panel_bytes = apusk_integer_panel_bytes(block->runs_y * block->runs_x * quads);
  const int64_t tiles = block->rows / isa->rows + (block->rows % isa->rows != 0);
  // The tiles of two panels share the wait for the next two, where there are some, which may come from memory.
  const int64_t shares = tiles * block->groups * block->runs_y * block->runs_x * quads;
  int turn = 0, part = 0;
  apusk_integer_tile tile = {
      .a_row = block->a_row, .a_y = block->a_y, .a_x = block->a_x, .runs_y = block->runs_y, .runs_x = block->runs_x,
      .quads = quads, .panel = panel_bytes, .flip = apusk_integer_flips[block->a_signed],
  };
  for (int64_t panel = block->first_panel; panel < block->end_panel; panel += tile.panels, part ^= 1) {
    const int64_t first = panel * APUSK_INTEGER_PANEL;
    tile.panels = block->end_panel - panel < isa->panels ? (int32_t)(block->end_panel - panel) : isa->panels;
    const int8_t *b = block->b + panel * panel_bytes;
    int32_t totals[2 * APUSK_INTEGER_PANEL];
    for (int32_t i = 0; i < tile.panels; i++) memcpy(totals + i * APUSK_INTEGER_PANEL, b + i * panel_bytes, 64);
    tile.b = b + 4 * APUSK_INTEGER_PANEL;
    int64_t count = tile.panels * APUSK_INTEGER_PANEL;
    if (count > block->n - first) count = block->n - first;
    const bool b_zeros = apusk_integer_columns_of(block, first, count, totals, &columns[part]);
    tile.start = columns[part].start;
    const int64_t left = (block->n - first - count + APUSK_INTEGER_PANEL - 1) / APUSK_INTEGER_PANEL;
    tile.ahead = (const char *)b + (left > 0 ? tile.panels : 0) * panel_bytes;
    tile.ahead_step = shares > 0 ? (left < 2 ? left : 2) * panel_bytes / shares : 0;
    int32_t fresh = 2;
    for (int64_t group = 0; group < block->groups; group++) {
      int64_t row = 0;
      for (int64_t index = 0; index < tiles; index++, turn ^= 1) {
        apusk_integer_finish *finish = &works[turn].finish;
        if (fresh > 0) {
          *finish = apusk_integer_finish_of(block, &columns[part], &byte_tail);
          finish->count = count;
          finish->sums_row = tile.panels * APUSK_INTEGER_PANEL;
          fresh--;
        }
        tile.rows = block->rows / tiles + (index < block->rows % tiles);
        tile.a = block->a + group * block->a_group + row * block->a_row;
        const int64_t at = group * block->c_group + row * block->c_row + first;
        finish->output = (char *)block->c + at * bytes;
        finish->residual = block->residual ? (const char *)block->residual + at : NULL;
        int32_t *sums = keeps ? kept + group * block->rows + row : works[turn].rows.sums;
        const bool waits = run_tile(isa, block, &tile, row, b_zeros ? sums : NULL, found, &works[turn]);
        tile.pending = waits ? finish : NULL;
        tile.ahead += tile.ahead_step * block->runs_y * block->runs_x * quads;
        row += tile.rows;
      }
    }
    found = found || (b_zeros && keeps);
  }
  if (tile.pending) {
    tile.rows = 0;
    isa->tile(&tile);
  }
}
