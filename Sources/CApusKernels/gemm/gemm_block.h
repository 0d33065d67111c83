// The loops of a matrix product around the micro-kernels, for one thread: shared by gemm, convolution and LSTM.
#ifndef APUSK_GEMM_BLOCK_H
#define APUSK_GEMM_BLOCK_H

#include "gemm_isa.h"

typedef struct apusk_gemm_block apusk_gemm_block;

// Copies A[row0 + i, k0 + p], i = 0 ..< rows, p = 0 ..< depth, to target[i * APUSK_GEMM_A_STRIDE + p].
typedef void (*apusk_gemm_fill)(const apusk_gemm_block *block, int64_t row0, int64_t rows, int64_t k0, int64_t depth,
                                float *target);

// rows x (panels first_panel ..< end_panel) of C.
struct apusk_gemm_block {
  const float *a;          // row 0
  int64_t a_row, a_k;
  apusk_gemm_fill fill;    // NULL: A is what a, a_row, a_k say
  const void *source;      // for `fill`
  int64_t source_row;      // for `fill`: the number of row 0
  const float *b;          // packed, panel 0; or, where `half` is set,
  const uint16_t *half;    // panels of 16-bit elements (apusk_gemm_half.h)
  int32_t half_type;
  const apusk_block_weights *blocks;  // or of 4 or 8 bits in blocks (apusk_block_weights.h); NULL: of floats
  float *c;                // row 0, column 0 of panel 0
  int64_t c_row;
  int64_t rows, n, k;
  int64_t first_panel, end_panel;
  const apusk_tail *tail;  // NULL: raw sums
  const float *bias;       // column 0, or NULL
  const float *residual;   // row 0, column 0, or NULL
};

// Floats of scratch that apusk_gemm_block_run needs for so many rows; with panels that are not of floats
// APUSK_HALF_STRIP_FLOATS more.
int64_t apusk_gemm_block_scratch_floats(int64_t rows);

void apusk_gemm_block_run(const apusk_gemm_isa *isa, const apusk_gemm_block *block, float *scratch);

// Whether micro-kernels of whole width can end with this tail, but for an activation that is not a bound; it is then `end`.
bool apusk_tile_end_of(const apusk_finish *finish, apusk_tile_end *end);

// One micro-kernel with its tail, for the `columns` <= width columns that exist. Where columns < width the sums pass
// through a small buffer, so that nothing is written beside C. `last`: these are the final sums, apply `finish`
// (whose bias and residual the caller has set for this tile, whose other fields are filled here, as is the tile's `end`).
void apusk_tile_emit(const apusk_gemm_isa *isa, apusk_tile *tile, int64_t columns, bool last, apusk_finish *finish);

// Lets tile number `index` of the `tiles` that share a strip of B fetch its part of the next strip, which begins at `next`:
// in equal parts, since what comes from memory takes the buffers that loads from the L2 cache need.
static inline void apusk_tile_look_ahead(apusk_tile *tile, const float *next, int64_t index, int64_t tiles) {
  const int64_t line = 64, share = (tile->width * (int64_t)sizeof(float) + tiles - 1) / tiles, step = share < line ? share : line;
  // A few rows alone take as long to read their own strip.
  const bool wanted = next && (tile->rows > 4 || tiles > 1);
  tile->ahead = wanted ? (const char *)next + index * tile->depth * step : NULL;
  tile->ahead_step = wanted ? step : 0;
}

// Cuts rows x panels into units of about 20 us: blocks of at most APUSK_GEMM_BLOCK_ROWS rows, then parts of the panels.
void apusk_gemm_cut(const apusk_gemm_isa *isa, int64_t rows, int64_t panels, double multiplies_per_row_and_panel,
                    int64_t *rows_per_unit, int64_t *panels_per_unit);

// Units that make about 2.5 us.
int64_t apusk_gemm_grain(double unit_multiplies, int64_t multiplies_per_us);

// Cuts the product of one or two rows (of up to 8 with 16-bit weights), which takes the time of reading B: units of 128 KiB of
// floats and more, whole groups of the panels that are done together; single panels where that makes only a few.
// `each`: multiplications of a row and a panel. Returns the grain.
int64_t apusk_gemm_cut_wide(const apusk_gemm_isa *isa, int64_t rows, int64_t panels, int64_t group, double each,
                            int64_t *panels_per_unit);

// How `rows` are shared by micro-kernels of at most mr rows, as evenly as possible: the size of tile `index` of `tiles`.
static inline int64_t apusk_tile_rows(int64_t rows, int64_t tiles, int64_t index) {
  return rows / tiles + (index < rows % tiles);
}

#endif
