// What an instruction set level brings to products of 8-bit integers, and the loops that all levels share.
#ifndef APUSK_INTEGER_ISA_H
#define APUSK_INTEGER_ISA_H

#include <stdbool.h>

#include "apusk_element_type.h"
#include "apusk_integer.h"
#include "apusk_math.h"

#define APUSK_INTEGER_PANEL 16
// Most rows and columns whose sums wait for their tail at a time.
#define APUSK_INTEGER_ROWS 16
#define APUSK_INTEGER_COLUMNS 64

typedef struct apusk_integer_finish apusk_integer_finish;

// sums[i * 16 * panels + j] of `rows` rows and 1 or 2 panels: start[j] and the sum over quads of a[i] * b[j]. k is
// runs_y * runs_x runs of `quads` quads, at least one of each.
typedef struct apusk_integer_tile {
  const uint8_t *a;
  int64_t a_row, a_y, a_x;     // bytes between rows, and between runs
  int64_t runs_y, runs_x, quads;
  const int8_t *b;             // the first quad of the first panel
  int64_t panel;               // bytes between panels
  // Of two panels: what is asked for beside the products, so many bytes further for each quad, for tiles to come.
  const char *ahead;
  int64_t ahead_step;
  const uint32_t *flip;        // one of apusk_integer_flips
  int32_t panels;
  int64_t rows;
  const int32_t *start;        // of each column: where its sums begin
  int32_t *sums;
  // Where the level's finishes_pairs: what ends the tile, instead of storing the sums, and an earlier one; or NULL.
  const apusk_integer_finish *finish;
  apusk_integer_finish *pending;
} apusk_integer_tile;

// What is turned in a quad of a, by whether it is signed; 16 times. In memory, so that no compiler turns quads one by one.
extern const uint32_t apusk_integer_flips[2][16];

// What the tail takes for each column, whole vectors of them.
typedef struct apusk_integer_columns {
  _Alignas(64) int32_t start[APUSK_INTEGER_COLUMNS];  // where sums begin
  int32_t total[APUSK_INTEGER_COLUMNS];   // of B's column less its zero points
  int32_t b_zero[APUSK_INTEGER_COLUMNS];
  float scale[APUSK_INTEGER_COLUMNS];
  float bias[APUSK_INTEGER_COLUMNS];
  bool small;                             // no sum times its scale, and none with a residual, goes beyond 2^30
} apusk_integer_columns;

// What ends 8-bit results, for vectors. Signed ones are found as unsigned ones, 128 larger, and turned at last.
typedef struct apusk_integer_byte_tail {
  _Alignas(64) int16_t zeros[32];
  uint8_t low[64], high[64];
} apusk_integer_byte_tail;

typedef struct apusk_integer_bytes {
  apusk_integer_byte_tail own, joined;  // of sums, and of what they make with a residual
  uint8_t flip[64];
  int32_t zero_a, zero_b;               // of the two, as unsigned ones
} apusk_integer_bytes;

struct apusk_integer_finish {
  const int32_t *sums;
  int64_t sums_row;
  const apusk_integer_columns *columns;
  const int32_t *row_zeros;    // a_zero of each row; NULL: one for all, which is in the columns' start
  const int32_t *row_sums;     // of A; NULL where B has no zero points
  const float *row_scales;     // alpha * a_scale of each row; NULL: one for all, which is in the columns' scale
  int64_t rows, count;         // rows and columns that exist
  void *output;
  const void *residual;        // NULL: none
  int64_t output_row;          // elements, of the residual too
  const apusk_integer_tail *tail;
  const apusk_integer_bytes *bytes;  // of 8-bit results
  float y_scale;
  int32_t y_zero;
};

// Sums of a row of output pixels of a depthwise convolution, from rows of input that all exist. `channels` counts up to
// APUSK_INTEGER_COLUMNS; x is readable for whole blocks of a level's channels.
typedef struct apusk_integer_depthwise {
  const uint8_t *x;
  int64_t x_pixel, x_row;      // bytes between columns of x, and between the rows of taps side by side
  int64_t stride, dilation;    // in columns
  int64_t kh, kw;
  const int8_t *w;             // the first quad of the first channel
  int64_t w_tap;               // bytes between columns of quads
  const uint32_t *flip;
  int64_t pixels, channels;
  const int32_t *start;        // of each channel, whole vectors
  int32_t *sums;               // APUSK_INTEGER_COLUMNS of each pixel
  // To 8 bits: columns left ..< right of x exist, the others have the byte `outside` (as the kernel sees it) in all channels.
  int64_t left, right;
  int32_t outside;
  // To 8 bits: where not 0, up to 32 channels of a second row, so many bytes on, are computed beside those of the first; start,
  // scales and weights are there twice.
  int64_t second, output_second;
} apusk_integer_depthwise;

typedef struct apusk_integer_isa {
  int64_t rows;                // of the largest tile
  int32_t panels;              // that a tile takes, where there are so many
  // Tiles of two whole panels can end small 8-bit results, but for a residual, and meanwhile what an earlier one has left: the
  // residual, or float32 without activation. A tile of no rows does the latter alone.
  bool finishes_pairs;
  int64_t multiplies_per_us;
  void (*tile)(const apusk_integer_tile *tile);
  void (*finish)(const apusk_integer_finish *finish);
  void (*depthwise)(const apusk_integer_depthwise *row);
  // Or NULL: any number of pixels to small 8-bit results without residual; up to 4 rows of 3 taps side by side, stride 1 or 2.
  void (*depthwise_bytes)(const apusk_integer_depthwise *row, const apusk_integer_finish *finish);
  void (*quantize)(const float *x, uint8_t *y, int64_t count, float scale, int32_t zero, bool is_signed);
  apusk_activation_function *activate;
} apusk_integer_isa;

extern const apusk_integer_isa apusk_integer_isa_portable;
#if defined(__x86_64__)
extern const apusk_integer_isa apusk_integer_isa_avx2;
extern const apusk_integer_isa apusk_integer_isa_avxvnni;
extern const apusk_integer_isa apusk_integer_isa_avx512vnni;
#endif

// The best of this CPU that a level allows; NULL for an unknown level.
const apusk_integer_isa *apusk_integer_isa_of(int32_t level);

// Where rows of A, or windows of a convolution, meet panels of B. A product has one group of rows, a band of a convolution one
// for each row of output pixels.
typedef struct apusk_integer_block {
  const uint8_t *a;
  int64_t a_row, a_y, a_x, a_group;
  int64_t runs_y, runs_x, run;  // run: bytes that count, of divide_up(run, 4) quads
  bool a_signed, b_signed;
  const int8_t *b;              // panel 0
  int64_t n, k;                 // k without the padding of runs
  int64_t first_panel, end_panel;
  int64_t groups, rows;
  void *c;                      // row 0, column 0
  const void *residual;
  int64_t c_row, c_group;
  const apusk_integer_tail *tail;
  // Of row 0, column 0.
  const void *a_zero, *b_zero;
  const float *a_scale, *b_scale;
  const int32_t *bias;
  const float *float_bias;
} apusk_integer_block;

void apusk_integer_block_run(const apusk_integer_isa *isa, const apusk_integer_block *block);

// What the tail takes for columns first ..< first + count of a block; `sums` are those of B's columns. Returns whether one of
// them has a zero point.
bool apusk_integer_columns_of(const apusk_integer_block *block, int64_t first, int64_t count, const int32_t *sums,
                              apusk_integer_columns *columns);
apusk_integer_bytes apusk_integer_bytes_of(const apusk_integer_tail *tail);
// A finish for a block's columns, but for what differs by rows.
apusk_integer_finish apusk_integer_finish_of(const apusk_integer_block *block, const apusk_integer_columns *columns,
                                             const apusk_integer_bytes *bytes);

// Packs one run of k for up to 16 columns, whose strides are bytes, and adds to the columns' sums. `flip` is turned in each byte.
// Where a column or a byte of the last quad does not exist, nothing is written.
void apusk_integer_pack_run(const void *source, int64_t k_stride, int64_t column_stride, int64_t k, int64_t columns,
                            uint8_t flip, int8_t *quads, int32_t *sums);

// How a step's work is cut: `rows` rows, in blocks of whole tiles, and panels, in parts; a unit is one of each and takes 20 us or
// so. `multiplies` are those of a row and panel.
void apusk_integer_cut(const apusk_integer_isa *isa, int64_t rows, int64_t panels, double multiplies, int64_t most_rows,
                       int64_t *rows_per_unit, int64_t *panels_per_unit);
// Rows whose products take as long as those of `rows` rows: a few wait for the bytes of B.
static inline int64_t apusk_integer_rows_of_time(int64_t rows) { return rows < 8 ? 8 : rows; }
// Units of so many multiplies that take about 2.5 us.
int64_t apusk_integer_grain(const apusk_integer_isa *isa, double multiplies);

static inline int32_t apusk_integer_byte(const void *bytes, int64_t index, bool is_signed) {
  if (!bytes) return 0;
  return is_signed ? ((const int8_t *)bytes)[index] : ((const uint8_t *)bytes)[index];
}
// The zero points that the kernels see.
static inline int32_t apusk_integer_a_zero(const void *zero, int64_t index, bool is_signed) {
  return apusk_integer_byte(zero, index, is_signed) + (is_signed ? 128 : 0);
}
static inline int32_t apusk_integer_b_zero(const void *zero, int64_t index, bool is_signed) {
  return apusk_integer_byte(zero, index, is_signed) - (is_signed ? 0 : 128);
}
static inline int64_t apusk_integer_quads(int64_t bytes) { return bytes / 4 + (bytes % 4 != 0); }
static inline int64_t apusk_integer_panel_bytes(int64_t quads) { return 4 * APUSK_INTEGER_PANEL * (quads + 1); }
static inline int64_t apusk_integer_output_bytes(int32_t type) {
  return type == APUSK_INT32 || type == APUSK_FLOAT32 ? 4 : 1;
}
static inline bool apusk_integer_is_byte(int32_t type) { return type == APUSK_INT8 || type == APUSK_UINT8; }
// Whether a tail is one that the kernels know.
bool apusk_integer_tail_is_valid(const apusk_integer_tail *tail);

#endif
