#include "block_weights.h"
#include "gemm_half.h"

#include <math.h>
#include <string.h>

int64_t apusk_gemm_block_scratch_floats(int64_t rows) { return rows * APUSK_GEMM_A_STRIDE; }

bool apusk_tile_end_of(const apusk_finish *finish, apusk_tile_end *end) {
  const apusk_tail *tail = finish->tail;
  if (tail->scale != 1.0f || (finish->residual && (tail->residual_scale != 1.0f || tail->residual_column_stride != 1))) {
    return false;
  }
  *end = (apusk_tile_end){finish->bias, finish->residual, tail->residual_row_stride, -INFINITY, INFINITY};
  if (tail->activation == APUSK_ACTIVATION_RELU) end->low = 0.0f;
  if (tail->activation == APUSK_ACTIVATION_CLIP) {
    end->low = tail->alpha;
    end->high = tail->beta;
  }
  return true;
}

// Brings rows x columns floats into the L2 cache.
static void fetch(const float *first, int64_t row, int64_t rows, int64_t columns) {
  for (; rows > 0; rows--, first += row) {
    for (int64_t j = 0; j < columns; j += 16) __builtin_prefetch(first + j, 0, 2);
  }
}

void apusk_tile_emit(const apusk_gemm_isa *isa, apusk_tile *tile, int64_t columns, bool last, apusk_finish *finish) {
  bool tail = last && finish->tail;
  // What the end of the tile reads and writes comes while its sums are made; short sums would wait for it.
  if (tile->depth >= 64) {
    fetch(tile->c, tile->c_row, tile->rows, columns);
    if (tail && finish->residual && finish->tail->residual_column_stride == 1) {
      fetch(finish->residual, finish->tail->residual_row_stride, tile->rows, columns);
    }
  }
  apusk_tile_end end;
  tile->end = NULL;
  // The narrowest are stored in halves of what `activate` loads, which the store buffer can't forward.
  bool ends = tail && columns == tile->width && (columns > 8 || apusk_activation_is_bound(finish->tail->activation));
  if (ends && apusk_tile_end_of(finish, &end)) {
    tile->end = &end;
    isa->tile(tile);
    if (!apusk_activation_is_bound(finish->tail->activation)) {
      // While the rows are in the first-level cache.
      isa->activate(tile->c, tile->rows, tile->c_row, columns, finish->tail->activation, finish->tail->alpha,
                    finish->tail->beta);
    }
    return;
  }
  finish->rows = tile->rows;
  finish->columns = columns;
  finish->output = tile->c;
  finish->output_row = tile->c_row;
  if (columns == tile->width) {
    isa->tile(tile);
    finish->source = tile->c;
    finish->source_row = tile->c_row;
    if (tail) isa->finish(finish);
    return;
  }
  float sums[APUSK_GEMM_MAX_MR * APUSK_GEMM_MAX_NR];
  size_t bytes = sizeof(float) * (size_t)columns;
  apusk_tile inner = *tile;
  inner.c = sums;
  inner.c_row = tile->width;
  if (tile->resume) {
    memset(sums, 0, sizeof(float) * (size_t)(tile->rows * tile->width));
    for (int64_t i = 0; i < tile->rows; i++) memcpy(sums + i * tile->width, tile->c + i * tile->c_row, bytes);
  }
  isa->tile(&inner);
  if (tail) {
    finish->source = sums;
    finish->source_row = tile->width;
    isa->finish(finish);
  } else {
    for (int64_t i = 0; i < tile->rows; i++) memcpy(tile->c + i * tile->c_row, sums + i * tile->width, bytes);
  }
}

static void fill_from_strides(const apusk_gemm_block *block, int64_t row0, int64_t rows, int64_t k0, int64_t depth,
                              float *target) {
  const float *source = block->a + row0 * block->a_row + k0 * block->a_k;
  if (block->a_k == 1) {
    for (int64_t i = 0; i < rows; i++) {
      memcpy(target + i * APUSK_GEMM_A_STRIDE, source + i * block->a_row, sizeof(float) * (size_t)depth);
    }
    return;
  }
  // A column of A at a time: where A is transposed its rows are the contiguous direction.
  for (int64_t p = 0; p < depth; p++) {
    for (int64_t i = 0; i < rows; i++) {
      target[i * APUSK_GEMM_A_STRIDE + p] = source[i * block->a_row + p * block->a_k];
    }
  }
}

static const float *offset_or_null(const float *pointer, int64_t offset) { return pointer ? pointer + offset : NULL; }

// One or two rows: B is read once and A hardly at all, so nothing is copied and panels are done several at a time.
static void run_wide(const apusk_gemm_isa *isa, const apusk_gemm_block *block, const float *a, int64_t a_row,
                     int64_t a_k, int64_t k0, int64_t depth, bool last) {
  int32_t nr = isa->kernels.nr, most = isa->wide_panels[block->rows - 1];
  int64_t full = block->n / nr;  // panels that need no care at their right edge
  if (full > block->end_panel) full = block->end_panel;
  apusk_finish finish = {.tail = block->tail, .rows = block->rows};
  for (int64_t panel = block->first_panel; panel < full;) {
    int64_t count = full - panel < most ? full - panel : most;
    int64_t column = panel * nr;
    apusk_wide wide = {
        .a = a, .a_row = a_row, .a_k = a_k, .b = block->b + column * block->k + k0 * nr, .panel_stride = nr * block->k,
        .c = block->c + column, .c_row = block->c_row, .k = depth, .rows = (int32_t)block->rows,
        .panels = (int32_t)count, .resume = k0 > 0,
    };
    isa->wide(&wide);
    panel += count;
  }
  if (full > block->first_panel && last && block->tail) {
    int64_t column = block->first_panel * nr;
    finish.bias = offset_or_null(block->bias, column);
    finish.residual = offset_or_null(block->residual, column * block->tail->residual_column_stride);
    finish.source = finish.output = block->c + column;
    finish.source_row = finish.output_row = block->c_row;
    finish.columns = full * nr - column;
    isa->finish(&finish);
  }
  int64_t panel = full > block->first_panel ? full : block->first_panel;
  if (panel < block->end_panel) {  // the last panel of the matrix, narrower than nr
    int64_t column = panel * nr;
    int32_t width = apusk_gemm_panel_width(block->n, panel, nr);
    // The micro-kernel wants consecutive floats of A: where they are not, each is a run of its own.
    apusk_tile tile = {
        .a = a, .a_row = a_row, .a_x = a_k, .runs_x = a_k == 1 ? 1 : depth, .run = a_k == 1 ? depth : 1, .depth = depth,
        .b = block->b + column * block->k + k0 * width, .c = block->c + column, .c_row = block->c_row,
        .rows = (int32_t)block->rows, .width = width, .resume = k0 > 0,
    };
    finish.bias = offset_or_null(block->bias, column);
    finish.residual =
        block->residual ? block->residual + column * block->tail->residual_column_stride : NULL;
    apusk_tile_emit(isa, &tile, block->n - column, last, &finish);
  }
}

// `strip`: where panels become floats that are none.
static void run_tiles(const apusk_gemm_isa *isa, const apusk_gemm_block *block, const float *a, int64_t a_row,
                      int64_t k0, int64_t depth, bool last, float *strip) {
  const bool strips = block->half || block->blocks;
  int32_t nr = isa->kernels.nr;
  int64_t tiles = apusk_divide_up(block->rows, isa->kernels.mr);
  for (int64_t panel = block->first_panel; panel < block->end_panel; panel++) {
    int64_t column = panel * nr;
    int32_t width = apusk_gemm_panel_width(block->n, panel, nr);
    int64_t columns = block->n - column < width ? block->n - column : width;
    apusk_tile tile = {
        .a_row = a_row, .runs_x = 1, .run = depth, .depth = depth,
        .b = strips ? strip : block->b + column * block->k + k0 * width, .c_row = block->c_row, .width = width,
        .resume = k0 > 0,
    };
    if (block->half) apusk_half_strip(isa, block, panel, k0, depth, strip);
    if (block->blocks) apusk_block_strip(isa->kernels.level, block->blocks, column, width, k0, depth, strip);
    apusk_finish finish = {.tail = block->tail, .bias = offset_or_null(block->bias, column)};
    // What comes after this strip: the next panel's; the first one of the next pass; and at the end what lies behind the
    // matrix, among packed weights mostly those of the next product.
    const float *next = NULL;
    if (!strips) {
      next = tile.b + width * block->k;
      if (panel + 1 == block->end_panel) {
        next = last ? next - k0 * width : block->b + block->first_panel * nr * block->k + (k0 + depth) * nr;
      }
    }
    int64_t row = 0;
    for (int64_t index = 0; index < tiles; index++) {
      tile.rows = (int32_t)apusk_tile_rows(block->rows, tiles, index);
      apusk_tile_look_ahead(&tile, next, index, tiles);
      tile.a = a + row * a_row;
      tile.c = block->c + row * block->c_row + column;
      if (block->residual) {
        finish.residual = block->residual + row * block->tail->residual_row_stride +
                          column * block->tail->residual_column_stride;
      }
      apusk_tile_emit(isa, &tile, columns, last, &finish);
      row += tile.rows;
    }
  }
}

void apusk_gemm_block_run(const apusk_gemm_isa *isa, const apusk_gemm_block *block, float *scratch) {
  if (block->rows <= 0 || block->first_panel >= block->end_panel) return;
  float *strip = scratch + apusk_gemm_block_scratch_floats(block->rows);
  apusk_gemm_block rest;
  if (block->half) {
    rest = *block;
    rest.first_panel = apusk_half_few_rows(isa, block);
    block = &rest;
    if (rest.first_panel == rest.end_panel) return;
  }
  const bool strips = block->half || block->blocks;
  bool wide = block->rows <= 2 && !strips;
  // A is read where it lies, unless it does not lie along k or its rows are 4 KiB apart, in one set of the L1 cache, and more
  // than the 8 that a set holds.
  bool aliased = block->a_row % 1024 == 0 && block->rows > 8;
  bool direct = !block->fill && (wide || (block->a_k == 1 && !aliased));
  if (direct && wide) {
    run_wide(isa, block, block->a, block->a_row, block->a_k, 0, block->k, true);
    return;
  }
  // Strips have room for APUSK_GEMM_KC.
  const int64_t deepest = direct && !strips ? APUSK_GEMM_DIRECT_KC : APUSK_GEMM_KC;
  int64_t passes = block->k > deepest ? apusk_divide_up(block->k, deepest) : 1;
  // Passes begin where chains do.
  int64_t step = apusk_divide_up(apusk_divide_up(block->k, passes), APUSK_GEMM_CHAIN) * APUSK_GEMM_CHAIN;
  int64_t k0 = 0;
  do {
    int64_t depth = block->k - k0 < step ? block->k - k0 : step;
    bool last = k0 + depth == block->k;
    if (direct) {
      run_tiles(isa, block, block->a + k0, block->a_row, k0, depth, last, strip);
    } else {
      if (block->fill) {
        block->fill(block, block->source_row, block->rows, k0, depth, scratch);
      } else {
        fill_from_strides(block, 0, block->rows, k0, depth, scratch);
      }
      if (wide) {
        run_wide(isa, block, scratch, APUSK_GEMM_A_STRIDE, 1, k0, depth, last);
      } else {
        run_tiles(isa, block, scratch, APUSK_GEMM_A_STRIDE, k0, depth, last, strip);
      }
    }
    k0 += depth;
  } while (k0 < block->k);
}
