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

bool apusk_integer_columns_of(const apusk_integer_block *block, int64_t first, int64_t count, const int32_t *sums,
                              apusk_integer_columns *columns) {
  const apusk_integer_tail *tail = block->tail;
  const int64_t vectors = (count + APUSK_INTEGER_PANEL - 1) / APUSK_INTEGER_PANEL * APUSK_INTEGER_PANEL;
  int32_t any = 0;
  for (int64_t j = 0; j < count; j++) {
    columns->b_zero[j] = apusk_integer_b_zero(block->b_zero, (first + j) * tail->b_zero_column, block->b_signed);
    any |= columns->b_zero[j];
    columns->total[j] = (int32_t)((uint32_t)sums[j] - (uint32_t)block->k * (uint32_t)columns->b_zero[j]);
  }
  const bool by_rows = tail->a_zero_row && block->a_zero;
  const uint32_t a_zero = by_rows ? 0 : (uint32_t)apusk_integer_a_zero(block->a_zero, 0, block->a_signed);
  for (int64_t j = 0; j < count; j++) {
    uint32_t bias = block->bias ? (uint32_t)block->bias[(first + j) * tail->bias_column] : 0;
    columns->start[j] = (int32_t)(bias - a_zero * (uint32_t)columns->total[j]);
  }
  for (int64_t j = count; j < vectors; j++) columns->start[j] = columns->total[j] = columns->b_zero[j] = 0;
  if (tail->output_type == APUSK_INT32) {
    memset(columns->scale, 0, sizeof(float) * (size_t)vectors);
    columns->small = false;
    return any != 0;
  }
  const bool whole = tail->a_scale_row == 0, is_byte = tail->output_type != APUSK_FLOAT32;
  const float a_scale = whole ? tail->alpha * *block->a_scale : 1.0f, y_scale = is_byte && whole ? *tail->y_scale : 1.0f;
  const float limit = 1 << 20;
  columns->small = !tail->residual || (tail->factor_a < limit && tail->factor_a > -limit && tail->factor_b < limit &&
                                       tail->factor_b > -limit);
  for (int64_t j = 0; j < count; j++) {
    const float scale = block->b_scale[(first + j) * tail->b_scale_column];
    // Division by 1 changes nothing.
    columns->scale[j] = whole ? a_scale * scale / y_scale : scale;
    columns->small = columns->small && columns->scale[j] < 0.5f && columns->scale[j] > -0.5f;
  }
  for (int64_t j = count; j < vectors; j++) columns->scale[j] = 0.0f;
  if (!is_byte) {
    // v + -0 is v, whatever v is.
    for (int64_t j = 0; j < vectors; j++) {
      columns->bias[j] = block->float_bias && j < count ? block->float_bias[(first + j) * tail->bias_column] : -0.0f;
    }
  }
  return any != 0;
}

apusk_integer_finish apusk_integer_finish_of(const apusk_integer_block *block, const apusk_integer_columns *columns) {
  const apusk_integer_tail *tail = block->tail;
  const bool is_byte = apusk_integer_is_byte(tail->output_type);
  return (apusk_integer_finish){
      .columns = columns, .output_row = block->c_row, .tail = tail, .y_scale = is_byte ? *tail->y_scale : 1.0f,
      .y_zero = is_byte ? apusk_integer_byte(tail->y_zero, 0, tail->output_type == APUSK_INT8) : 0,
  };
}

// The sums of `rows` rows of A as the kernels see it, without the padding of its runs.
static void sum_rows(const apusk_integer_tile *tile, int64_t run, uint8_t flip, int32_t *sums) {
  for (int64_t i = 0; i < tile->rows; i++) {
    uint32_t sum = 0;
    for (int64_t y = 0; y < tile->runs_y; y++) {
      for (int64_t x = 0; x < tile->runs_x; x++) {
        const uint8_t *a = tile->a + i * tile->a_row + y * tile->a_y + x * tile->a_x;
        for (int64_t p = 0; p < run; p++) sum += (uint32_t)(a[p] ^ flip);
      }
    }
    sums[i] = (int32_t)sum;
  }
}

// What rows row ..< row + tile->rows of a group give to the finish, besides their sums.
typedef struct row_parameters {
  int32_t zeros[APUSK_INTEGER_ROWS], sums[APUSK_INTEGER_ROWS];
  float scales[APUSK_INTEGER_ROWS];
} row_parameters;

static void find_rows(const apusk_integer_block *block, const apusk_integer_tile *tile, int64_t row, bool b_zeros,
                      row_parameters *rows, apusk_integer_finish *finish) {
  const apusk_integer_tail *tail = block->tail;
  if (tail->a_zero_row && block->a_zero) {
    for (int64_t i = 0; i < tile->rows; i++) rows->zeros[i] = apusk_integer_a_zero(block->a_zero, row + i, block->a_signed);
    finish->row_zeros = rows->zeros;
  }
  if (tail->a_scale_row && tail->output_type != APUSK_INT32) {
    for (int64_t i = 0; i < tile->rows; i++) rows->scales[i] = tail->alpha * block->a_scale[row + i];
    finish->row_scales = rows->scales;
  }
  if (b_zeros) {
    sum_rows(tile, block->run, block->a_signed ? 0x80 : 0, rows->sums);
    finish->row_sums = rows->sums;
  }
}

static void run_tile(const apusk_integer_isa *isa, const apusk_integer_block *block, apusk_integer_tile *tile, int64_t row,
                     bool b_zeros, apusk_integer_finish *finish) {
  row_parameters rows;
  // Stores to lines that are not in the caches would wait for memory, one by one: long sums leave time to fetch them.
  const int64_t bytes = apusk_integer_output_bytes(block->tail->output_type);
  for (int64_t i = 0; i < tile->rows && block->k >= 256; i++) {
    const char *line = (const char *)finish->output + i * finish->output_row * bytes;
    __builtin_prefetch(line, 1);
    if (bytes == 4) __builtin_prefetch(line + 64, 1);
  }
  find_rows(block, tile, row, b_zeros, &rows, finish);
  const bool pairs = isa->finishes_pairs && finish->columns->small && finish->count == 2 * APUSK_INTEGER_PANEL &&
                     bytes == 1 && !finish->residual && !finish->row_zeros && !finish->row_sums && !finish->row_scales;
  if (block->k > 0) {
    tile->finish = pairs ? finish : NULL;
    isa->tile(tile);
    if (pairs) return;
  } else {
    for (int64_t i = 0; i < tile->rows; i++) {
      memcpy(tile->sums + i * finish->sums_row, tile->start, sizeof(int32_t) * (size_t)finish->sums_row);
    }
  }
  finish->sums = tile->sums;
  finish->rows = tile->rows;
  isa->finish(finish);
  const apusk_integer_tail *tail = block->tail;
  if (tail->output_type == APUSK_FLOAT32 && tail->activation != APUSK_ACTIVATION_NONE) {
    isa->activate(finish->output, finish->rows, finish->output_row, finish->count, tail->activation, tail->activation_alpha,
                  tail->activation_beta);
  }
}

void apusk_integer_block_run(const apusk_integer_isa *isa, const apusk_integer_block *block) {
  _Alignas(64) int32_t sums[APUSK_INTEGER_ROWS * 2 * APUSK_INTEGER_PANEL];
  _Alignas(64) apusk_integer_columns columns;
  const apusk_integer_tail *tail = block->tail;
  const int64_t bytes = apusk_integer_output_bytes(tail->output_type), quads = apusk_integer_quads(block->run);
  const int64_t panel_bytes = apusk_integer_panel_bytes(block->runs_y * block->runs_x * quads);
  const int64_t tiles = block->rows / isa->rows + (block->rows % isa->rows != 0);
  apusk_integer_tile tile = {
      .a_row = block->a_row, .a_y = block->a_y, .a_x = block->a_x, .runs_y = block->runs_y, .runs_x = block->runs_x,
      .quads = quads, .panel = panel_bytes, .flip = apusk_integer_flips[block->a_signed], .sums = sums,
  };
  for (int64_t panel = block->first_panel; panel < block->end_panel; panel += tile.panels) {
    const int64_t first = panel * APUSK_INTEGER_PANEL;
    tile.panels = block->end_panel - panel < isa->panels ? (int32_t)(block->end_panel - panel) : isa->panels;
    const int8_t *b = block->b + panel * panel_bytes;
    int32_t totals[2 * APUSK_INTEGER_PANEL];
    for (int32_t i = 0; i < tile.panels; i++) memcpy(totals + i * APUSK_INTEGER_PANEL, b + i * panel_bytes, 64);
    tile.b = b + 4 * APUSK_INTEGER_PANEL;
    int64_t count = tile.panels * APUSK_INTEGER_PANEL;
    if (count > block->n - first) count = block->n - first;
    const bool b_zeros = apusk_integer_columns_of(block, first, count, totals, &columns);
    apusk_integer_finish finish = apusk_integer_finish_of(block, &columns);
    tile.start = columns.start;
    finish.count = count;
    finish.sums_row = tile.panels * APUSK_INTEGER_PANEL;
    for (int64_t group = 0; group < block->groups; group++) {
      int64_t row = 0;
      for (int64_t index = 0; index < tiles; index++) {
        tile.rows = block->rows / tiles + (index < block->rows % tiles);
        tile.a = block->a + group * block->a_group + row * block->a_row;
        const int64_t at = group * block->c_group + row * block->c_row + first;
        finish.output = (char *)block->c + at * bytes;
        finish.residual = block->residual ? (const char *)block->residual + at : NULL;
        run_tile(isa, block, &tile, row, b_zeros, &finish);
        row += tile.rows;
      }
    }
  }
}
