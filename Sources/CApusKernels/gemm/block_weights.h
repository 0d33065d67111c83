// Products with block-quantized weights: what an instruction set level brings to them. See apusk_block_weights.h.
#ifndef APUSK_BLOCK_WEIGHTS_LEVEL_H
#define APUSK_BLOCK_WEIGHTS_LEVEL_H

#include <string.h>

#include "apusk_block_weights.h"
#include "../quantize/dynamic_level.h"
#include "gemm_isa.h"

// A row's chunk: digits of `chunk` elements, the most significant one last, and where its sums begin: at minus the zero
// point times the sum of the digits; with a table of zero points at -sum in the low half of the word.
//
// With is_dynamic, bytes of all k: sums begin at start[0] times the sum of a column, and start[1], which with a table of zero
// points is for each of them.
typedef struct apusk_block_digits {
  float scale;
  int32_t start[3];
  int8_t digits[];
} apusk_block_digits;

// Elements of k that a sum of integers covers, at most APUSK_BLOCK_CHUNK.
#define APUSK_BLOCK_CHUNK 128
static inline int64_t apusk_block_chunk(const apusk_block_weights *weights) {
  const int64_t block = weights->block, rest = weights->k % APUSK_BLOCK_CHUNK;
  if (weights->is_dynamic) return (weights->k + 7) & ~(int64_t)7;
  if (block >= weights->k) return rest == 0 || rest > 64 ? APUSK_BLOCK_CHUNK : 64;
  return block % 128 == 0 ? APUSK_BLOCK_CHUNK : block % 64 == 0 ? 64 : block < 128 ? block : 32;
}
static inline int64_t apusk_block_chunks(const apusk_block_weights *weights) {
  return apusk_divide_up(weights->k, apusk_block_chunk(weights));
}
static inline int64_t apusk_block_chunks_per_block(const apusk_block_weights *weights) {
  return weights->block < weights->k ? weights->block / apusk_block_chunk(weights) : apusk_block_chunks(weights);
}
static inline int64_t apusk_block_blocks(const apusk_block_weights *weights) {
  return weights->block < weights->k ? apusk_divide_up(weights->k, weights->block) : 1;
}
static inline int64_t apusk_block_panels(const apusk_block_weights *weights) {
  return apusk_divide_up(weights->n, APUSK_BLOCK_COLUMNS);
}
static inline int64_t apusk_block_record_bytes(const apusk_block_weights *weights) {
  return (int64_t)sizeof(apusk_block_digits) + (weights->is_dynamic ? 1 : 3) * apusk_block_chunk(weights);
}
// Rows of a packed panel: k in whole chunks, and what the sums of its columns take.
static inline int64_t apusk_block_deep(const apusk_block_weights *weights) {
  return apusk_block_chunks(weights) * apusk_block_chunk(weights) + (weights->is_dynamic ? 4 : 0);
}

// One panel against some rows, as many as `rows` of the function; with is_dynamic `panels` of them against one row.
typedef struct apusk_block_panel {
  int64_t panels;
  const uint8_t *q;
  const void *scales;
  const uint8_t *zeros;
  int32_t scale_type;
  int64_t chunk, chunks, chunks_per_block;
  const char *digits;
  int64_t digits_row;  // bytes
  float *c;
  int64_t c_row;
} apusk_block_panel;

typedef void apusk_block_panel_function(const apusk_block_panel *panel);

typedef struct apusk_block_isa {
  const apusk_gemm_isa *gemm;
  apusk_block_panel_function *panel[2][3];  // by bits (4, 8) and rows (1, 2, 4); NULL where fewer rows do
  apusk_block_panel_function *dynamic_panel;  // of one row
  const apusk_dynamic_level *dynamic;
  // One chunk of `count` <= chunk elements.
  void (*digits)(const float *a, int64_t count, int64_t chunk, int32_t zero, apusk_block_digits *target);
  // Elements k0 ..< k0 + depth, k0 a multiple of 8, of columns first ..< first + width (in one panel) as rows of `width` floats.
  void (*strip)(const apusk_block_weights *weights, int64_t first, int32_t width, int64_t k0, int64_t depth, float *strip);
  apusp_kernel run_product, run_digits;
} apusk_block_isa;

extern const apusk_block_isa apusk_block_portable;
#if defined(__x86_64__)
extern const apusk_block_isa apusk_block_avx2, apusk_block_vnni;
#endif

// Where a column's tables are: those of its panel, and its number there.
typedef struct apusk_block_place {
  const uint8_t *q, *zeros;
  const void *scales;
  int64_t column;
} apusk_block_place;

static inline apusk_block_place apusk_block_place_of(const apusk_block_weights *w, int64_t column) {
  const int64_t inner = column % APUSK_BLOCK_COLUMNS, first = column - inner, tables = first * apusk_block_blocks(w);
  return (apusk_block_place){
      .q = w->q + first * apusk_block_deep(w) * w->bits / 8,
      .zeros = w->zeros ? w->zeros + tables : NULL,
      .scales = (const char *)w->scales + tables * (w->scale_type == APUSK_FLOAT16 ? 2 : 4),
      .column = inner,
  };
}

static inline float apusk_block_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

typedef struct apusk_block_exponent {
  float factor;  // 2^(22 - e), to fixed point; 0 where there is no such, for then `scale` is NaN
  float scale;   // its reciprocal, back
} apusk_block_exponent;

// For the bits of the largest |a| of a chunk.
static inline apusk_block_exponent apusk_block_exponent_of(int32_t bits) {
  uint32_t exponent = (uint32_t)bits >> 23;  // biased: |a| < 2^(exponent - 126)
  if (exponent == 255) return (apusk_block_exponent){0.0f, apusk_block_float(0x7fc00000)};
  if (exponent < 22) exponent = 22;
  return (apusk_block_exponent){apusk_block_float((275 - exponent) << 23), apusk_block_float((exponent - 21) << 23)};
}

// Where a sum of integers begins: `zero` is -1 for a table of zero points.
static inline int32_t apusk_block_start(int32_t sum, int32_t zero) { return zero < 0 ? -sum & 0xffff : -sum * zero; }

// The kernels of a level on this CPU, NULL for an unknown one. For plans: it asks the CPU.
const apusk_block_isa *apusk_block_isa_of(int32_t level);

// `strip` of a level, which needs no more than the level.
void apusk_block_strip(int32_t level, const apusk_block_weights *weights, int64_t first, int32_t width, int64_t k0,
                       int64_t depth, float *strip);

// Chunks first ..< end of the row `a` as digits.
void apusk_block_digits_of(const apusk_block_isa *isa, const apusk_block_weights *w, const float *a, int64_t first, int64_t end,
                           void *digits);

// The sums of all columns of `count` panels from `number` on.
void apusk_block_rows(const apusk_block_isa *isa, const apusk_block_weights *w, const void *digits, int64_t rows, int64_t number,
                      int64_t count, float *c, int64_t c_row);

int32_t apusk_block_product_run(const apusk_block_isa *isa, const apusk_block_product_args *args, int64_t begin, int64_t end);
int32_t apusk_block_digits_run(const apusk_block_isa *isa, const apusk_block_digits_args *args, int64_t begin, int64_t end);

#define APUSK_BLOCK_ENTRIES(isa)                                                                  \
  static int32_t run_product(const void *args, int64_t begin, int64_t end, apusp_worker *worker) { \
    (void)worker;                                                                                 \
    return apusk_block_product_run(&isa, args, begin, end);                                       \
  }                                                                                               \
  static int32_t run_digits(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {  \
    (void)worker;                                                                                 \
    return apusk_block_digits_run(&isa, args, begin, end);                                        \
  }

#endif
