#include "block_weights.h"

#include <string.h>

#include "apusp_cpu.h"

const apusk_block_isa *apusk_block_isa_of(int32_t level) {
  switch (level) {
    case APUSK_LEVEL_PORTABLE: return &apusk_block_portable;
#if defined(__x86_64__)
    case APUSK_LEVEL_AVX2: return &apusk_block_avx2;
    case APUSK_LEVEL_AVX512: {
      apusp_cpu cpu;
      apusp_cpu_detect(&cpu);
      return cpu.features & APUSP_FEATURE_AVX512_VNNI ? &apusk_block_vnni : &apusk_block_avx2;
    }
#endif
    default: return NULL;
  }
}

void apusk_block_strip(int32_t level, const apusk_block_weights *weights, int64_t first, int32_t width, int64_t k0,
                       int64_t depth, float *strip) {
  const apusk_block_isa *isa = &apusk_block_portable;
#if defined(__x86_64__)
  if (level == APUSK_LEVEL_AVX2) isa = &apusk_block_avx2;
  if (level == APUSK_LEVEL_AVX512) isa = &apusk_block_vnni;
#endif
  isa->strip(weights, first, width, k0, depth, strip);
}

bool apusk_block_is_supported(const apusk_block_weights *w) {
  return w->k > 0 && w->n > 0 && (w->bits == 4 || w->bits == 8) &&
         (w->scale_type == APUSK_FLOAT32 || w->scale_type == APUSK_FLOAT16) &&
         (!w->is_dynamic || (w->bits == 8 && w->block >= w->k && w->k <= APUSK_BLOCK_MAX_DYNAMIC)) &&
         (w->block >= w->k || (w->block > 0 && w->block % APUSK_BLOCK_UNIT == 0));
}

// --- Packing ---

static int64_t table_bytes(const apusk_block_weights *w, int64_t rows, int64_t bits) {
  int64_t bytes;
  if (w->n > INT64_MAX - APUSK_BLOCK_COLUMNS ||
      __builtin_mul_overflow(apusk_block_panels(w) * APUSK_BLOCK_COLUMNS, rows, &bytes) ||
      __builtin_mul_overflow(bytes, bits, &bytes) || bytes > INT64_MAX - 511) {
    return -1;
  }
  return (bytes / 8 + 63) & ~(int64_t)63;
}

int64_t apusk_block_q_bytes(const apusk_block_weights *w) {
  return w->k > INT64_MAX - 128 ? -1 : table_bytes(w, apusk_block_deep(w), w->bits);
}
static int64_t scale_bits(const apusk_block_weights *w) { return w->scale_type == APUSK_FLOAT16 ? 16 : 32; }
int64_t apusk_block_scale_bytes(const apusk_block_weights *w) { return table_bytes(w, apusk_block_blocks(w), scale_bits(w)); }
int64_t apusk_block_zero_bytes(const apusk_block_weights *w) { return table_bytes(w, apusk_block_blocks(w), 8); }

static uint8_t element_of(const apusk_block_source *source, int64_t index) {
  const uint8_t *bytes = source->data;
  if (source->bits == 8) return (uint8_t)(bytes[index] ^ (source->is_signed ? 0x80 : 0));
  return (uint8_t)((bytes[index / 2] >> (index % 2 * 4) & 15) ^ (source->is_signed ? 8 : 0));
}

void apusk_block_pack_q(const apusk_block_weights *w, const apusk_block_source *source, uint8_t *packed) {
  memset(packed, 0, (size_t)apusk_block_q_bytes(w));
  const int64_t deep = apusk_block_deep(w);
  for (int64_t panel = 0; panel < apusk_block_panels(w); panel++) {
    const int64_t first = panel * APUSK_BLOCK_COLUMNS;
    const int64_t columns = w->n - first < APUSK_BLOCK_COLUMNS ? w->n - first : APUSK_BLOCK_COLUMNS;
    uint8_t *at = packed + panel * APUSK_BLOCK_COLUMNS * deep * w->bits / 8;
    int32_t *sums = (int32_t *)(at + (deep - 4) * APUSK_BLOCK_COLUMNS);
    // Along k in strips, so that the lines under a strip are still in the cache for the next column.
    for (int64_t p0 = 0; p0 < w->k; p0 += 64) {
      const int64_t p1 = w->k - p0 < 64 ? w->k : p0 + 64;
      for (int64_t j = 0; j < columns; j++) {
        const int64_t column = source->offset + (first + j) * source->stride_n;
        for (int64_t p = p0; p < p1; p++) {
          const uint8_t element = element_of(source, column + p * source->stride_k);
          if (w->is_dynamic) {
            sums[j] += element - 128;
            at[p / 4 * 4 * APUSK_BLOCK_COLUMNS + 4 * j + p % 4] = element ^ 0x80;
          } else if (w->bits == 8) {
            at[p / 4 * 4 * APUSK_BLOCK_COLUMNS + 4 * j + p % 4] = element;
          } else {
            at[p / 8 * 4 * APUSK_BLOCK_COLUMNS + 4 * j + p % 4] |= (uint8_t)(element << p / 4 % 2 * 4);
          }
        }
      }
    }
  }
}

void apusk_block_pack_scales(const apusk_block_weights *w, const apusk_block_source *source, void *packed) {
  const int64_t blocks = apusk_block_blocks(w), bytes = scale_bits(w) / 8;
  memset(packed, 0, (size_t)apusk_block_scale_bytes(w));
  for (int64_t j = 0; j < w->n; j++) {
    char *at = (char *)packed + (j / APUSK_BLOCK_COLUMNS * blocks * APUSK_BLOCK_COLUMNS + j % APUSK_BLOCK_COLUMNS) * bytes;
    for (int64_t b = 0; b < blocks; b++) {
      const int64_t index = source->offset + b * source->stride_k + j * source->stride_n;
      memcpy(at + b * APUSK_BLOCK_COLUMNS * bytes, (const char *)source->data + index * bytes, (size_t)bytes);
    }
  }
}

void apusk_block_pack_zeros(const apusk_block_weights *w, const apusk_block_source *source, uint8_t *packed) {
  const int64_t blocks = apusk_block_blocks(w);
  memset(packed, 0, (size_t)apusk_block_zero_bytes(w));
  for (int64_t j = 0; j < w->n; j++) {
    uint8_t *at = packed + j / APUSK_BLOCK_COLUMNS * blocks * APUSK_BLOCK_COLUMNS + j % APUSK_BLOCK_COLUMNS;
    for (int64_t b = 0; b < blocks; b++) {
      at[b * APUSK_BLOCK_COLUMNS] = element_of(source, source->offset + b * source->stride_k + j * source->stride_n);
    }
  }
}

// --- Steps ---

int64_t apusk_block_digits_bytes(const apusk_block_weights *w) {
  return (apusk_block_chunks(w) * apusk_block_record_bytes(w) + 63) & ~(int64_t)63;
}

int32_t apusk_block_digits_plan(int32_t level, const apusk_block_digits_args *args, apusk_plan *plan) {
  const apusk_block_isa *isa = apusk_block_isa_of(level);
  if (!isa || args->rows < 0 || !apusk_block_is_supported(&args->weights)) return 100;
  *plan = (apusk_plan){.kernel = isa->run_digits, .units = args->rows * apusk_block_chunks(&args->weights)};
  plan->grain = 1 + 20000 / apusk_block_chunk(&args->weights);
  return 0;
}

// A row as bytes, its scale, and where its sums begin.
static void quantized_row(const apusk_block_isa *isa, const apusk_block_weights *w, const float *a, apusk_block_digits *row) {
  uint8_t *bytes = (uint8_t *)row->digits, zero;
  const apusk_dynamic_quantize_args args = {.x = a, .y = bytes, .scale = &row->scale, .zero = &zero, .columns = w->k};
  isa->dynamic->rows(&args, 0, 1, NULL);
  memset(bytes + w->k, 0, (size_t)(apusk_block_chunk(w) - w->k));
  row->start[0] = -(int32_t)zero;
  row->start[1] = 0;
  if (!w->zeros && w->zero == 128) return;
  int32_t sum = -(int32_t)w->k * zero;
  for (int64_t p = 0; p < w->k; p++) sum += bytes[p];
  row->start[1] = w->zeros ? -sum : -sum * (w->zero - 128);
}

void apusk_block_digits_of(const apusk_block_isa *isa, const apusk_block_weights *w, const float *a, int64_t first, int64_t end,
                           void *digits) {
  const int64_t chunk = apusk_block_chunk(w);
  if (w->is_dynamic) {
    if (first < end) quantized_row(isa, w, a, digits);
    return;
  }
  for (int64_t number = first; number < end; number++) {
    const int64_t p = number * chunk;
    isa->digits(a + p, w->k - p < chunk ? w->k - p : chunk, chunk, w->zeros ? -1 : w->zero,
                (apusk_block_digits *)((char *)digits + number * apusk_block_record_bytes(w)));
  }
}

int32_t apusk_block_digits_run(const apusk_block_isa *isa, const apusk_block_digits_args *args, int64_t begin, int64_t end) {
  const apusk_block_weights *w = &args->weights;
  const int64_t chunks = apusk_block_chunks(w);
  while (begin < end) {
    const int64_t row = begin / chunks, first = begin % chunks, left = chunks - first;
    const int64_t count = left < end - begin ? left : end - begin;
    apusk_block_digits_of(isa, w, args->a + row * args->a_row_stride, first, first + count,
                          (char *)args->digits + row * apusk_block_digits_bytes(w));
    begin += count;
  }
  return 0;
}

int32_t apusk_block_product_plan(int32_t level, apusk_block_product_args *args, apusk_plan *plan) {
  const apusk_block_isa *isa = apusk_block_isa_of(level);
  const apusk_block_weights *w = &args->weights;
  if (!isa || args->rows < 0 || args->rows > APUSK_BLOCK_MAX_ROWS || !apusk_block_is_supported(w) ||
      args->tail.activation < 0 || args->tail.activation >= APUSK_ACTIVATION_COUNT) {
    return 100;
  }
  const int64_t bytes = apusk_block_q_bytes(w), panels = apusk_block_panels(w);
  if (bytes < 0) return 301;
  const int64_t each = bytes / panels;
  // Threads that read some ten KiB at a time have equal shares.
  args->panels_per_unit = each >= 32768 ? 1 : 1 + 32768 / (each + 1);
  *plan = (apusk_plan){.kernel = isa->run_product, .units = apusk_divide_up(panels, args->panels_per_unit)};
  plan->grain = 1 + 131072 / (args->panels_per_unit * each + 1);
  return 0;
}

void apusk_block_rows(const apusk_block_isa *isa, const apusk_block_weights *w, const void *digits, int64_t rows, int64_t number,
                      int64_t count, float *c, int64_t c_row) {
  const int64_t chunk = apusk_block_chunk(w), chunks = apusk_block_chunks(w), digits_row = apusk_block_digits_bytes(w);
  // A panel stays in the L1 cache for all rows.
  const int64_t together = w->is_dynamic && rows == 1 ? count : 1;
  for (const int64_t end = number + count; number < end; number += together, c += APUSK_BLOCK_COLUMNS) {
    const apusk_block_place place = apusk_block_place_of(w, number * APUSK_BLOCK_COLUMNS);
    apusk_block_panel panel = {
        .panels = together, .q = place.q, .scales = place.scales, .zeros = place.zeros, .scale_type = w->scale_type,
        .chunk = chunk, .chunks = chunks, .chunks_per_block = apusk_block_chunks_per_block(w), .digits_row = digits_row,
        .c_row = c_row,
    };
    for (int64_t row = 0; row < rows;) {
      int size = w->is_dynamic ? 0 : rows - row >= 4 ? 2 : rows - row >= 2 ? 1 : 0;
      while (!isa->panel[w->bits == 8][size]) size--;
      panel.digits = (const char *)digits + row * digits_row;
      panel.c = c + row * c_row;
      (w->is_dynamic ? isa->dynamic_panel : isa->panel[w->bits == 8][size])(&panel);
      row += 1 << size;
    }
  }
}

int32_t apusk_block_product_run(const apusk_block_isa *isa, const apusk_block_product_args *args, int64_t begin, int64_t end) {
  const apusk_block_weights *w = &args->weights;
  const apusk_tail *tail = &args->tail;
  const int64_t panels = apusk_block_panels(w), width = APUSK_BLOCK_COLUMNS;
  int64_t last = end * args->panels_per_unit;
  if (last > panels) last = panels;
  for (int64_t number = begin * args->panels_per_unit; number < last; number++) {
    const int64_t column = number * width;
    float sums[APUSK_BLOCK_MAX_ROWS * APUSK_BLOCK_COLUMNS];
    apusk_block_rows(isa, w, args->digits, args->rows, number, 1, sums, width);
    const apusk_finish finish = {
        .tail = tail, .bias = tail->bias ? tail->bias + column : NULL,
        .residual = tail->residual ? tail->residual + column * tail->residual_column_stride : NULL,
        .source = sums, .source_row = width, .output = args->c + column, .output_row = args->c_row_stride,
        .rows = args->rows, .columns = w->n - column < width ? w->n - column : width,
    };
    isa->gemm->finish(&finish);
  }
  return 0;
}
