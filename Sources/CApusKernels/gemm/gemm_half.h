// Products with weights of 16 bits: what an instruction set level brings to them. See apusk_gemm_half.h.
#ifndef APUSK_GEMM_HALF_H
#define APUSK_GEMM_HALF_H

#include "apusk_gemm_half.h"
#include "gemm_block.h"

// A few rows against one or several adjacent full panels, whose elements become float32 in registers.
typedef struct apusk_half_few {
  const float *a;
  int64_t a_row, a_k;
  const uint16_t *b;
  int64_t panel_stride;
  float *c;
  int64_t c_row;
  int64_t k;
} apusk_half_few;

typedef void apusk_half_few_function(const apusk_half_few *few);

// Most rows of one pass over a group of panels. More rows make two passes, the second with the panels in the L2 cache.
#define APUSK_HALF_PASS_ROWS 4

typedef struct apusk_half_isa {
  // By rows - 1: panels that are done together, 0 where no product reads the packed elements itself but all a strip of floats.
  int32_t panels[APUSK_HALF_PASS_ROWS];
  apusk_half_few_function *few[2][APUSK_HALF_PASS_ROWS];  // by type: float16, bfloat16
  apusk_half_few_function *single[2];                    // one row, one panel
  // `count` elements in order.
  void (*widen[2])(const uint16_t *source, int64_t count, float *target);
  // `depth` rows of a full panel of bfloat16.
  void (*unzip)(const uint16_t *panel, int64_t depth, float *target);
} apusk_half_isa;

extern const apusk_half_isa apusk_half_portable;
#if defined(__x86_64__)
extern const apusk_half_isa apusk_half_avx2;
extern const apusk_half_isa apusk_half_avx512;
// One or two rows against float16, in halves of registers: some CPUs convert eight elements four times as fast as sixteen.
apusk_half_few_function apusk_half_f16_1x4_avx512, apusk_half_f16_1x1_avx512, apusk_half_f16_2x2_avx512;
#endif

// 0 for float16, 1 for bfloat16.
static inline int apusk_half_index(int32_t type) { return type == APUSK_BFLOAT16; }

// Floats of scratch that a block wants beside apusk_gemm_block_scratch_floats: one strip of one panel.
#define APUSK_HALF_STRIP_FLOATS (APUSK_GEMM_KC * APUSK_GEMM_MAX_NR)

// The panels that a product of so many rows does together; 0 where its panels are not widened in registers.
int32_t apusk_half_panels(const apusk_gemm_isa *isa, int64_t rows);

// All full panels of a block of few rows, tail and all; returns the first panel that is left, which is the block's first one
// where the block is no such.
int64_t apusk_half_few_rows(const apusk_gemm_isa *isa, const apusk_gemm_block *block);

// Rows k0 ..< k0 + depth of a panel as floats in `strip`.
void apusk_half_strip(const apusk_gemm_isa *isa, const apusk_gemm_block *block, int64_t panel, int64_t k0, int64_t depth,
                      float *strip);

#endif
