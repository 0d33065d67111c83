#include "gemm_half.h"

#include "gemm_entry.h"

static const apusk_half_isa *half_of(const apusk_gemm_kernels *kernels) {
  switch (kernels->level) {
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2: return &apusk_half_avx2;
    case APUSK_LEVEL_AVX512: return &apusk_half_avx512;
#endif
    default: return &apusk_half_portable;
  }
}

// --- Packing ---

int64_t apusk_gemm_half_packed_bytes(const apusk_gemm_kernels *kernels, int64_t k, int64_t n) {
  int64_t floats = apusk_gemm_packed_bytes(kernels, k, n);
  return floats < 0 ? -1 : (floats / 2 + 63) & ~(int64_t)63;
}

void apusk_gemm_pack_b_half(const apusk_gemm_kernels *kernels, int32_t type, const uint16_t *source, int64_t stride_k,
                            int64_t stride_n, int64_t k, int64_t n, uint16_t *packed) {
  if (k <= 0 || n <= 0) return;
  const int32_t nr = kernels->nr;
  for (int64_t panel = 0; panel < apusk_gemm_panels(n, nr); panel++) {
    const int64_t first = panel * nr, columns = n - first < nr ? n - first : nr;
    const int32_t width = apusk_gemm_panel_width(n, panel, nr);
    const bool zipped = type == APUSK_BFLOAT16 && width == nr;
    uint16_t *rows = packed + first * k;
    // Along k in strips, so that the lines of `packed` under a strip are still in the cache for the next column.
    const int64_t strip = stride_n == 1 ? 1 : 64;
    for (int64_t p0 = 0; p0 < k; p0 += strip) {
      const int64_t p1 = k - p0 < strip ? k : p0 + strip;
      for (int32_t j = 0; j < width; j++) {
        const int32_t place = zipped ? 2 * (j % (nr / 2)) + j / (nr / 2) : j;
        const uint16_t *column = source + (first + j) * stride_n;
        for (int64_t p = p0; p < p1; p++) rows[p * width + place] = j < columns ? column[p * stride_k] : 0;
      }
    }
  }
}

void apusk_half_widen(const apusk_gemm_kernels *kernels, int32_t type, const uint16_t *source, int64_t count,
                      float *target) {
  half_of(kernels)->widen[apusk_half_index(type)](source, count, target);
}

// --- Products ---

// Of one pass.
static int64_t pass_rows(int64_t rows) { return rows <= APUSK_HALF_PASS_ROWS ? rows : rows - rows / 2; }

int32_t apusk_half_panels(const apusk_gemm_isa *isa, int64_t rows) {
  return rows > APUSK_HALF_MAX_ROWS ? 0 : half_of(&isa->kernels)->panels[pass_rows(rows) - 1];
}

void apusk_half_strip(const apusk_gemm_isa *isa, const apusk_gemm_block *block, int64_t panel, int64_t k0, int64_t depth,
                      float *strip) {
  const apusk_half_isa *half = half_of(&isa->kernels);
  const int32_t nr = isa->kernels.nr, width = apusk_gemm_panel_width(block->n, panel, nr);
  const uint16_t *rows = block->half + panel * nr * block->k + k0 * width;
  if (block->half_type == APUSK_BFLOAT16 && width == nr) {
    half->unzip(rows, depth, strip);
  } else {
    half->widen[apusk_half_index(block->half_type)](rows, depth * width, strip);
  }
}

int64_t apusk_half_few_rows(const apusk_gemm_isa *isa, const apusk_gemm_block *block) {
  const apusk_half_isa *half = half_of(&isa->kernels);
  const int64_t nr = isa->kernels.nr, first = block->first_panel, rows = block->rows, pass = pass_rows(rows);
  const int64_t group = apusk_half_panels(isa, rows);
  if (block->fill || group == 0) return first;
  int64_t full = block->n / nr;  // panels that need no care at their right edge
  if (full > block->end_panel) full = block->end_panel;
  const int type = apusk_half_index(block->half_type);
  int64_t panel = first;
  while (panel < full) {
    int64_t count = group;
    if (full - panel < group) {
      if (full - first >= group) {
        panel = full - group;  // the last group does some once more
      } else if (rows == 1) {
        count = 1;
      } else {
        break;
      }
    }
    for (int64_t done = 0; done < rows; done += pass) {
      const int64_t row = rows - done < pass ? rows - pass : done;  // of an odd number, one is done twice
      const apusk_half_few few = {
          .a = block->a + row * block->a_row, .a_row = block->a_row, .a_k = block->a_k,
          .b = block->half + panel * nr * block->k, .panel_stride = nr * block->k,
          .c = block->c + row * block->c_row + panel * nr, .c_row = block->c_row, .k = block->k,
      };
      (count == 1 && rows == 1 ? half->single[type] : half->few[type][pass - 1])(&few);
    }
    panel += count;
  }
  const apusk_tail *tail = block->tail;
  if (tail && panel > first) {
    const int64_t column = first * nr;
    float *c = block->c + column;
    const apusk_finish finish = {
        .tail = tail, .bias = block->bias ? block->bias + column : NULL,
        .residual = block->residual ? block->residual + column * tail->residual_column_stride : NULL, .source = c,
        .source_row = block->c_row, .output = c, .output_row = block->c_row, .rows = block->rows,
        .columns = panel * nr - column,
    };
    isa->finish(&finish);
  }
  return panel;
}
