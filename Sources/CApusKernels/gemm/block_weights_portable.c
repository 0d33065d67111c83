// The specification, in plain C.
#include <math.h>

#include "block_weights.h"
#include "gemm_half.h"

#pragma STDC FP_CONTRACT OFF

static float scale_of(const void *scales, int32_t type, int64_t at) {
  if (type == APUSK_FLOAT32) return ((const float *)scales)[at];
  float scale;
  apusk_half_portable.widen[0]((const uint16_t *)scales + at, 1, &scale);
  return scale;
}

static int32_t element_of(const uint8_t *q, const int bits, int64_t p, int64_t column) {
  const int64_t group = bits == 8 ? p / 4 : p / 8;
  const int32_t byte = q[4 * (group * APUSK_BLOCK_COLUMNS + column) + p % 4];
  return bits == 8 ? byte : p / 4 % 2 ? byte >> 4 : byte & 15;
}

static void panel_of(const apusk_block_panel *panel, const int bits) {
  for (int64_t j = 0; j < APUSK_BLOCK_COLUMNS; j++) {
    float total = 0.0f;
    const char *record = panel->digits;
    for (int64_t number = 0; number < panel->chunks; number++) {
      const apusk_block_digits *digits = (const apusk_block_digits *)record;
      const int64_t chunk = panel->chunk, table = number / panel->chunks_per_block * APUSK_BLOCK_COLUMNS + j;
      int32_t sums[3] = {0, 0, 0};
      for (int d = 0; d < 3; d++) {
        sums[d] = panel->zeros ? panel->zeros[table] * (int16_t)digits->start[d] : digits->start[d];
        for (int64_t p = 0; p < chunk; p++) {
          sums[d] += digits->digits[d * chunk + p] * element_of(panel->q, bits, number * chunk + p, j);
        }
      }
      const float value = fmaf((float)sums[2], 65536.0f, (float)(256 * sums[1] + sums[0]));
      total = fmaf(value, scale_of(panel->scales, panel->scale_type, table) * digits->scale, total);
      record += (int64_t)sizeof(apusk_block_digits) + 3 * chunk;
    }
    panel->c[j] = total;
  }
}

static void panel_4(const apusk_block_panel *panel) { panel_of(panel, 4); }
static void panel_8(const apusk_block_panel *panel) { panel_of(panel, 8); }

static void dynamic_panel(const apusk_block_panel *panel) {
  const apusk_block_digits *row = (const apusk_block_digits *)panel->digits;
  for (int64_t j = 0; j < panel->panels * APUSK_BLOCK_COLUMNS; j++) {
    const int64_t column = j % APUSK_BLOCK_COLUMNS;
    const uint8_t *q = panel->q + (panel->chunk + 4) * (j - column);
    const int32_t total = ((const int32_t *)(q + panel->chunk * APUSK_BLOCK_COLUMNS))[column];
    int64_t sum = (int64_t)row->start[0] * total + (panel->zeros ? panel->zeros[j] - 128 : 1) * (int64_t)row->start[1];
    for (int64_t p = 0; p < panel->chunk; p++) {
      sum += (uint8_t)row->digits[p] * (int8_t)element_of(q, 8, p, column);
    }
    panel->c[j] = (float)(int32_t)sum * (scale_of(panel->scales, panel->scale_type, j) * row->scale);
  }
}

static void digits(const float *a, int64_t count, int64_t chunk, int32_t zero, apusk_block_digits *target) {
  int32_t largest = 0;
  for (int64_t p = 0; p < count; p++) {
    int32_t bits;
    memcpy(&bits, a + p, sizeof bits);
    bits &= 0x7fffffff;
    if (bits > largest) largest = bits;
  }
  const apusk_block_exponent exponent = apusk_block_exponent_of(largest);
  int32_t sums[3] = {0, 0, 0};
  for (int64_t p = 0; p < chunk; p++) {
    int32_t rest = p < count && exponent.factor != 0.0f ? (int32_t)lrintf(a[p] * exponent.factor) : 0;
    for (int d = 0; d < 3; d++) {
      const int8_t digit = (int8_t)rest;
      target->digits[d * chunk + p] = digit;
      sums[d] += digit;
      rest = (rest - digit) >> 8;
    }
  }
  target->scale = exponent.scale;
  for (int d = 0; d < 3; d++) target->start[d] = apusk_block_start(sums[d], zero);
}

static void strip(const apusk_block_weights *w, int64_t first, int32_t width, int64_t k0, int64_t depth, float *strip) {
  const apusk_block_place place = apusk_block_place_of(w, first);
  for (int64_t p = k0; p < k0 + depth; p++) {
    const int64_t block = w->block < w->k ? p / w->block : 0;
    for (int32_t j = 0; j < width; j++) {
      const int64_t column = place.column + j, table = block * APUSK_BLOCK_COLUMNS + column;
      const int32_t zero = place.zeros ? place.zeros[table] : w->zero;
      const int32_t element = element_of(place.q, w->bits, p, column);
      *strip++ = (float)(element - zero) * scale_of(place.scales, w->scale_type, table);
    }
  }
}

APUSK_BLOCK_ENTRIES(apusk_block_portable)

const apusk_block_isa apusk_block_portable = {
    .gemm = &apusk_gemm_isa_portable,
    .panel = {{panel_4}, {panel_8}},
    .dynamic_panel = dynamic_panel,
    .dynamic = &apusk_dynamic_portable,
    .digits = digits,
    .strip = strip,
    .run_product = run_product,
    .run_digits = run_digits,
};
