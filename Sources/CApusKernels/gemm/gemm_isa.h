// What an instruction set level brings to the matrix product; the loops around it are gemm_block.c.
#ifndef APUSK_GEMM_ISA_H
#define APUSK_GEMM_ISA_H

#include <stdbool.h>
#include <stddef.h>

#include "apusk_gemm.h"
#include "apusk_math.h"

// Floats of k that one pass of a product covers, whole chains: a copied block of A so deep stays in the L1 and L2 caches.
#define APUSK_GEMM_KC 256
// The same where A is read where it lies: fewer passes write and read C again less often.
#define APUSK_GEMM_DIRECT_KC 512
// Floats between the rows of a copied block of A: an odd number of cache lines, so that rows fall into different sets.
#define APUSK_GEMM_A_STRIDE (APUSK_GEMM_KC + 16)
// Most columns of a panel and most rows of a micro-kernel, over all levels.
#define APUSK_GEMM_MAX_NR 32
#define APUSK_GEMM_MAX_MR 14
// Most rows of one block: each reads all of its panels of B again, from the L3 cache where they are many.
#define APUSK_GEMM_BLOCK_ROWS 224

// The usual ends of a tile, done in registers: sum + bias + residual, raised to `low`, lowered to `high`.
typedef struct apusk_tile_end {
  const float *bias;      // `width` floats or NULL
  const float *residual;  // rows of `width` floats or NULL
  int64_t residual_row;
  float low, high;
} apusk_tile_end;

// One micro-kernel call: rows x width sums over `depth` floats of A, in runs of `run` consecutive ones, `runs_x` of them
// side by side. Row i of A, run (y, x), element p is a[i * a_row + y * a_y + x * a_x + p]; the first element read is
// (0, first_x, first_p). B advances by `width` floats for each. A plain product is one run; a convolution has a run for
// each kernel row or tap. Element 0 begins a chain.
typedef struct apusk_tile {
  const float *a;
  int64_t a_row, a_y, a_x;
  int64_t runs_x, run;
  int64_t first_x, first_p;
  int64_t depth;
  const float *b;
  float *c;
  int64_t c_row;
  int32_t rows;   // 1 ... mr
  int32_t width;  // 8, 16, 24, 32, nr at most
  bool resume;    // c holds the chains before these
  const apusk_tile_end *end;  // NULL: raw sums
  // `ahead_step` bytes of what is wanted soon (NULL: nothing) come into the L2 cache for each float of depth: a line at most.
  const char *ahead;
  int64_t ahead_step;
} apusk_tile;

// One or two rows against several adjacent full panels: enough independent chains to hide the latency of fma, and as
// many streams of B as the prefetchers follow.
typedef struct apusk_wide {
  const float *a;
  int64_t a_row, a_k;
  const float *b;
  int64_t panel_stride;
  float *c;
  int64_t c_row;
  int64_t k;
  int32_t rows;    // 1 or 2
  int32_t panels;  // 1 ... wide_panels[rows - 1]
  bool resume;
} apusk_wide;

// Raw sums to finished outputs: `bias` and `residual` (each may be NULL) point at the first column and element.
// source and output may be the same memory with the same stride.
typedef struct apusk_finish {
  const apusk_tail *tail;
  const float *bias;
  const float *residual;
  const float *source;
  int64_t source_row;
  float *output;
  int64_t output_row;
  int64_t rows, columns;
} apusk_finish;

// Whether the activation is none, or raises and lowers only.
static inline bool apusk_activation_is_bound(int32_t activation) {
  return activation <= APUSK_ACTIVATION_RELU || activation == APUSK_ACTIVATION_CLIP;
}

// Whether the activation is a function of its own, applied to finished rows.
static inline bool apusk_tail_is_transcendental(const apusk_tail *tail) {
  return tail->activation == APUSK_ACTIVATION_SIGMOID || tail->activation == APUSK_ACTIVATION_TANH ||
         tail->activation == APUSK_ACTIVATION_SWISH || tail->activation == APUSK_ACTIVATION_GELU;
}

typedef struct apusk_gemm_isa {
  apusk_gemm_kernels kernels;
  int32_t wide_panels[2];
  int64_t multiplies_per_us;  // rough speed of one thread, for the grain
  void (*tile)(const apusk_tile *tile);
  void (*wide)(const apusk_wide *wide);
  void (*finish)(const apusk_finish *finish);
  apusk_activation_function *activate;
} apusk_gemm_isa;

extern const apusk_gemm_isa apusk_gemm_isa_portable;
#if defined(__x86_64__)
extern const apusk_gemm_isa apusk_gemm_isa_avx2;
extern const apusk_gemm_isa apusk_gemm_isa_avx512;
// AVX-512's `finish` for up to 8 columns.
void apusk_finish_8_avx512(const apusk_finish *finish);
#endif

// The level's entry; `kernels` is one that apusk_gemm_kernels_for returned.
static inline const apusk_gemm_isa *apusk_gemm_isa_of(const apusk_gemm_kernels *kernels) {
  return (const apusk_gemm_isa *)kernels;  // its first member
}

// Columns that panel number `panel` of an n column matrix holds in packed form.
static inline int32_t apusk_gemm_panel_width(int64_t n, int64_t panel, int32_t nr) {
  int64_t rest = n - panel * nr;
  int32_t width = nr;
  while (width > 8 && width / 2 >= rest) width /= 2;
  return width == 32 && rest <= 24 ? 24 : width;
}

static inline int64_t apusk_gemm_panels(int64_t n, int32_t nr) { return n / nr + (n % nr != 0); }

static inline int64_t apusk_divide_up(int64_t a, int64_t b) { return a / b + (a % b != 0); }

#endif
