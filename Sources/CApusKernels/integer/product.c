// The product of 8-bit matrices as a step: which kernels, how it is cut into units, and a unit's way to the tiles.
#include <stddef.h>
#include <string.h>

#include "apusp_cpu.h"
#include "integer_isa.h"

// Most bytes of A that a unit reads, and of B for which it is small: they stay in the L2 cache while the others pass by.
#define UNIT_BYTES (512 << 10)

static int64_t divide_up(int64_t a, int64_t b) { return a / b + (a % b != 0); }

#if defined(__x86_64__)
// The features of this CPU, found once: zero is "not yet", so the top bit is always set.
static uint32_t cpu_features(void) {
  static uint32_t known;
  uint32_t features = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (features == 0) {
    apusp_cpu cpu;
    apusp_cpu_detect(&cpu);
    features = cpu.features | 0x80000000u;
    __atomic_store_n(&known, features, __ATOMIC_RELAXED);
  }
  return features;
}
#endif

const apusk_integer_isa *apusk_integer_isa_of(int32_t level) {
  switch (level) {
    case APUSK_LEVEL_PORTABLE:
      return &apusk_integer_isa_portable;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX512:
      if (cpu_features() & APUSP_FEATURE_AVX512_VNNI) return &apusk_integer_isa_avx512vnni;
      return cpu_features() & APUSP_FEATURE_AVX_VNNI ? &apusk_integer_isa_avxvnni : &apusk_integer_isa_avx2;
    case APUSK_LEVEL_AVX2:
      return cpu_features() & APUSP_FEATURE_AVX_VNNI ? &apusk_integer_isa_avxvnni : &apusk_integer_isa_avx2;
#endif
    default:
      return NULL;
  }
}

int64_t apusk_integer_grain(const apusk_integer_isa *isa, double multiplies) {
  const double wanted = 2.5 * (double)isa->multiplies_per_us;
  return multiplies >= wanted ? 1 : 1 + (int64_t)(wanted / (multiplies < 1.0 ? 1.0 : multiplies));
}

void apusk_integer_cut(const apusk_integer_isa *isa, int64_t rows, int64_t panels, double multiplies, int64_t most_rows,
                       int64_t *rows_per_unit, int64_t *panels_per_unit) {
  // Blocks of rows first, down to two tiles, where B stays in the L2 cache while they pass by; a larger one should meet as many
  // rows as possible. Then parts of the panels, pairs of them.
  const double wanted = 20.0 * (double)isa->multiplies_per_us;
  const bool large = multiplies * (double)panels > (double)UNIT_BYTES;
  int64_t block = 2 * isa->rows;
  while (block + isa->rows <= most_rows && block < rows && (large || multiplies * (double)(block * panels) < wanted)) {
    block += isa->rows;
  }
  if (block > most_rows) block = most_rows;
  *rows_per_unit = divide_up(rows, divide_up(rows, block));
  const double whole = multiplies * ((double)apusk_integer_rows_of_time(*rows_per_unit) * (double)panels);
  int64_t parts = whole <= 2.0 * wanted ? 1 : (int64_t)(whole / wanted);
  // Few rows wait for the bytes of B, which two threads read in half the time.
  if (parts == 1 && rows < 8 && whole > 0.5 * wanted) parts = 2;
  const int64_t pairs = divide_up(panels, 2);
  *panels_per_unit = parts >= pairs ? 2 : 2 * divide_up(pairs, parts);
}

// Rows whose elements don't lie side by side in whole quads, to where they do.
static void copy_rows(const apusk_integer_gemm_args *args, const uint8_t *a, int64_t rows, int64_t row_bytes, uint8_t *target) {
  for (int64_t i = 0; i < rows; i++, target += row_bytes) {
    const uint8_t *row = a + i * args->a_row;
    if (args->a_k == 1) {
      memcpy(target, row, (size_t)args->k);
    } else {
      for (int64_t p = 0; p < args->k; p++) target[p] = row[p * args->a_k];
    }
    memset(target + args->k, 0, (size_t)(row_bytes - args->k));
  }
}

static const void *advance(const void *bytes, int64_t count) { return bytes ? (const char *)bytes + count : NULL; }

// Bytes of a copied row: whole quads, and not a multiple of what falls into one set of the L1 cache.
static int64_t copied_row(int64_t k) {
  int64_t bytes = 4 * apusk_integer_quads(k);
  return bytes % 1024 == 0 ? bytes + 64 : bytes;
}

static bool is_direct(const apusk_integer_gemm_args *args) {
  // Rows 4 KiB apart fall into one set of the L1 cache, which holds 8 of them.
  const bool aliased = args->a_row % 4096 == 0 && args->m > 8;
  return args->a_k == 1 && args->k % 4 == 0 && !aliased;
}

// Units: matrix, block of rows, part of the panels.
static int32_t run(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_integer_gemm_args *args = args_;
  const apusk_integer_isa *isa = apusk_integer_isa_of(args->level);
  const apusk_integer_tail *tail = &args->tail;
  const int64_t panels = divide_up(args->n, APUSK_INTEGER_PANEL), parts = divide_up(panels, args->panels_per_unit);
  const int64_t blocks = divide_up(args->m, args->rows_per_unit), bytes = apusk_integer_output_bytes(tail->output_type);
  const bool direct = is_direct(args);
  for (int64_t unit = begin; unit < end;) {
    const int64_t part = unit % parts, row = unit / parts % blocks * args->rows_per_unit, batch = unit / parts / blocks;
    const int64_t last = parts - part < end - unit ? parts : part + (end - unit);  // neighbouring parts are done as one
    const int64_t a_matrix = args->a_matrices ? args->a_matrices[batch] : 0;
    const int64_t b_matrix = args->b_matrices ? args->b_matrices[batch] : 0;
    const uint8_t *a = (const uint8_t *)args->a + a_matrix * args->a_batch + row * args->a_row;
    const int64_t end_panel = last * args->panels_per_unit, at = (batch * args->m + row) * args->n;
    apusk_integer_block block = {
        .a = a, .a_row = args->a_row, .runs_y = 1, .runs_x = 1, .run = args->k, .a_signed = args->a_type == APUSK_INT8,
        .b_signed = args->b_type == APUSK_INT8, .b = args->b + b_matrix * apusk_integer_packed_bytes(args->k, args->n),
        .n = args->n, .k = args->k, .first_panel = part * args->panels_per_unit,
        .end_panel = end_panel < panels ? end_panel : panels, .groups = 1,
        .rows = args->m - row < args->rows_per_unit ? args->m - row : args->rows_per_unit,
        .c = (char *)args->c + at * bytes, .residual = advance(tail->residual, at), .c_row = args->n, .tail = tail,
        .a_zero = advance(tail->a_zero, a_matrix * tail->a_zero_batch + row * tail->a_zero_row),
        .b_zero = advance(tail->b_zero, b_matrix * tail->b_zero_batch),
        .bias = tail->bias, .float_bias = tail->float_bias,
    };
    if (tail->output_type != APUSK_INT32) {
      block.a_scale = tail->a_scale + a_matrix * tail->a_scale_batch + row * tail->a_scale_row;
      block.b_scale = tail->b_scale + b_matrix * tail->b_scale_batch;
    }
    if (!direct) {
      block.a_row = copied_row(args->k);
      block.a = worker->scratch;
      copy_rows(args, a, block.rows, block.a_row, worker->scratch);
    }
    apusk_integer_block_run(isa, &block);
    unit += last - part;
  }
  return 0;
}

int32_t apusk_integer_gemm_plan(int32_t level, apusk_integer_gemm_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = run, .grain = 1};
  args->level = level;
  const apusk_integer_isa *isa = apusk_integer_isa_of(level);
  if (!isa || args->batches < 0 || args->m < 0 || args->n < 0 || args->k < 0 || !apusk_integer_is_byte(args->a_type) ||
      !apusk_integer_is_byte(args->b_type) || !apusk_integer_tail_is_valid(&args->tail)) {
    return 100;
  }
  if (apusk_integer_packed_bytes(args->k, args->n) < 0 || args->k > INT64_MAX / 32) return 301;
  args->rows_per_unit = args->panels_per_unit = 1;
  if (args->m == 0 || args->n == 0) return 0;
  const int64_t panels = divide_up(args->n, APUSK_INTEGER_PANEL);
  int64_t most = UNIT_BYTES / copied_row(args->k + 1);
  if (most < isa->rows) most = isa->rows;
  const double each = (double)(args->k + 16) * APUSK_INTEGER_PANEL;
  apusk_integer_cut(isa, args->m, panels, each, most, &args->rows_per_unit, &args->panels_per_unit);
  const int64_t rows = apusk_integer_rows_of_time(args->rows_per_unit);
  plan->grain = apusk_integer_grain(isa, each * (double)rows * (double)args->panels_per_unit);
  if (!is_direct(args)) plan->scratch_bytes = args->rows_per_unit * copied_row(args->k);
  int64_t units;
  if (__builtin_mul_overflow(divide_up(args->m, args->rows_per_unit), divide_up(panels, args->panels_per_unit), &units) ||
      __builtin_mul_overflow(units, args->batches, &plan->units)) {
    return 301;
  }
  return 0;
}
