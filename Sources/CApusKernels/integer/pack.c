// Packing of 8-bit matrices into panels of quads.
#include <stddef.h>
#include <string.h>

#include "integer_isa.h"

static int64_t divide_up(int64_t a, int64_t b) { return a / b + (a % b != 0); }

int64_t apusk_integer_packed_bytes(int64_t k, int64_t n) {
  if (k < 0 || n < 0 || k > INT64_MAX - 8) return -1;
  int64_t total = apusk_integer_quads(k) + 1;
  if (__builtin_mul_overflow(total, 4 * APUSK_INTEGER_PANEL, &total) ||
      __builtin_mul_overflow(total, divide_up(n, APUSK_INTEGER_PANEL), &total)) {
    return -1;
  }
  return total;
}

void apusk_integer_pack_run(const void *source, int64_t k_stride, int64_t column_stride, int64_t k, int64_t columns,
                            uint8_t flip, int8_t *quads, int32_t *sums) {
  for (int64_t p = 0; p < k; p += 4, quads += 4 * APUSK_INTEGER_PANEL) {
    const int64_t depth = k - p < 4 ? k - p : 4;
    for (int64_t j = 0; j < columns; j++) {
      const uint8_t *b = (const uint8_t *)source + p * k_stride + j * column_stride;
      int32_t sum = 0;
      for (int64_t i = 0; i < depth; i++) {
        const int8_t value = (int8_t)(b[i * k_stride] ^ flip);
        quads[4 * j + i] = value;
        sum += value;
      }
      sums[j] = (int32_t)((uint32_t)sums[j] + (uint32_t)sum);
    }
  }
}

static int32_t pack(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_integer_pack_args *args = args_;
  (void)worker;
  const int64_t panels = divide_up(args->n, APUSK_INTEGER_PANEL);
  const int64_t bytes = apusk_integer_panel_bytes(apusk_integer_quads(args->k));
  for (int64_t unit = begin; unit < end; unit++) {
    const int64_t first = unit % panels * APUSK_INTEGER_PANEL;
    const int64_t columns = args->n - first < APUSK_INTEGER_PANEL ? args->n - first : APUSK_INTEGER_PANEL;
    int32_t sums[APUSK_INTEGER_PANEL] = {0};
    int8_t *panel = args->packed + unit * bytes;
    // What exists is written over the zeros of a panel that is not whole.
    if (columns < APUSK_INTEGER_PANEL || args->k % 4 != 0) memset(panel, 0, (size_t)bytes);
    apusk_integer_pack_run((const char *)args->source + unit / panels * args->batch_stride + first * args->column_stride,
                           args->k_stride, args->column_stride, args->k, columns, args->type == APUSK_INT8 ? 0 : 0x80,
                           panel + sizeof sums, sums);
    memcpy(panel, sums, sizeof sums);
  }
  return 0;
}

int32_t apusk_integer_pack_plan(const apusk_integer_pack_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = pack, .grain = 1 + 10000 / (APUSK_INTEGER_PANEL * (args->k + 1))};
  if (args->batches < 0 || !apusk_integer_is_byte(args->type) || apusk_integer_packed_bytes(args->k, args->n) < 0) return 100;
  return __builtin_mul_overflow(args->batches, divide_up(args->n, APUSK_INTEGER_PANEL), &plan->units) ? 301 : 0;
}

void apusk_integer_pack(const apusk_integer_pack_args *args) {
  apusk_plan plan;
  if (apusk_integer_pack_plan(args, &plan) == 0) pack(args, 0, plan.units, NULL);
}
