// Packing of the weights of integer convolutions.
#include <string.h>

#include "conv_shape.h"

static int64_t depthwise_quads(const apusk_conv_geometry *g) {
  const apusk_integer_conv_shape shape = apusk_integer_conv_shape_of(g);
  return apusk_integer_quads(shape.h.kernel) * shape.w.kernel;
}

int64_t apusk_integer_conv_packed_bytes(const apusk_conv_geometry *geometry) {
  apusk_conv_geometry g = *geometry;
  if (apusk_conv_geometry_check(&g) != 0 || g.transposed) return -1;
  const int64_t taps = apusk_conv_kernel_taps(&g), group_cin = g.cin / g.groups;
  int64_t total;
  if (apusk_integer_is_depthwise(&g)) {
    return __builtin_mul_overflow(4 * apusk_integer_depthwise_channels(g.cout), 1 + depthwise_quads(&g), &total) ? -1 : total;
  }
  const int64_t last = g.axis[g.axes - 1].kernel, quads = taps / last * apusk_integer_quads(last * group_cin);
  const int64_t panels = g.groups * apusk_divide_up(g.cout / g.groups, APUSK_INTEGER_PANEL);
  return __builtin_mul_overflow(apusk_integer_panel_bytes(quads), panels, &total) ? -1 : total;
}

static void pack_panel(const apusk_integer_conv_pack_args *args, const apusk_integer_conv_shape *shape, int64_t group,
                       int64_t panel, int8_t *packed) {
  const int64_t taps = shape->outer * shape->w.kernel, kernel = shape->w.kernel, channels = shape->group_cin;
  const int64_t column = shape->k, first = panel * APUSK_INTEGER_PANEL;
  const int64_t count =
      shape->group_cout - first < APUSK_INTEGER_PANEL ? shape->group_cout - first : APUSK_INTEGER_PANEL;
  const uint8_t *w = (const uint8_t *)args->weights + (group * shape->group_cout + first) * column;
  const uint8_t flip = args->type == APUSK_INT8 ? 0 : 0x80;
  int32_t sums[APUSK_INTEGER_PANEL] = {0};
  memset(packed, 0, (size_t)apusk_integer_panel_bytes(shape->outer * apusk_integer_quads(shape->run)));
  int8_t *quads = packed + sizeof sums;
  for (int64_t tap = 0; tap < shape->outer; tap++) {
    for (int64_t j = 0; j < count; j++) {
      const uint8_t *from = w + j * column + tap * kernel;
      for (int64_t p = 0; p < shape->run; p++) {
        const int8_t value = (int8_t)(from[p % channels * taps + p / channels] ^ flip);
        quads[p / 4 * 4 * APUSK_INTEGER_PANEL + 4 * j + p % 4] = value;
        sums[j] = (int32_t)((uint32_t)sums[j] + (uint32_t)value);
      }
    }
    quads += apusk_integer_quads(shape->run) * 4 * APUSK_INTEGER_PANEL;
  }
  memcpy(packed, sums, sizeof sums);
}

// Channels first ..< end of depthwise weights.
static void pack_channels(const apusk_integer_conv_pack_args *args, const apusk_integer_conv_shape *shape, int64_t first,
                          int64_t end) {
  const int64_t kh = shape->h.kernel, kw = shape->w.kernel, all = apusk_integer_depthwise_channels(shape->pixel);
  const uint8_t flip = args->type == APUSK_INT8 ? 0 : 0x80;
  int8_t *quads = args->packed + 4 * all;
  for (int64_t c = first; c < end; c++) {
    uint32_t sum = 0;
    for (int64_t ky = 0; ky < 4 * apusk_integer_quads(kh); ky++) {
      for (int64_t kx = 0; kx < kw; kx++) {
        const bool exists = ky < kh && c < shape->pixel;
        const int8_t value =
            exists ? (int8_t)(((const uint8_t *)args->weights)[(c * kh + ky) * kw + kx] ^ flip) : 0;
        quads[((ky / 4 * kw + kx) * all + c) * 4 + ky % 4] = value;
        sum += (uint32_t)value;
      }
    }
    memcpy(args->packed + 4 * c, &sum, sizeof sum);
  }
}

// Units: panels of all groups; vectors of channels of depthwise weights.
static int32_t pack_run(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  (void)worker;
  const apusk_integer_conv_pack_args *args = args_;
  const apusk_integer_conv_shape shape = apusk_integer_conv_shape_of(&args->geometry);
  if (apusk_integer_is_depthwise(&args->geometry)) {
    pack_channels(args, &shape, begin * APUSK_INTEGER_COLUMNS, end * APUSK_INTEGER_COLUMNS);
    return 0;
  }
  for (int64_t unit = begin; unit < end; unit++) {
    pack_panel(args, &shape, unit / shape.panels, unit % shape.panels,
               args->packed + unit * (shape.group_bytes / shape.panels));
  }
  return 0;
}

static int64_t pack_units(const apusk_conv_geometry *g) {
  if (apusk_integer_is_depthwise(g)) return apusk_integer_depthwise_channels(g->cout) / APUSK_INTEGER_COLUMNS;
  return g->groups * apusk_divide_up(g->cout / g->groups, APUSK_INTEGER_PANEL);
}

void apusk_integer_conv_pack(const apusk_integer_conv_pack_args *args) {
  pack_run(args, 0, pack_units(&args->geometry), NULL);
}

int32_t apusk_integer_conv_pack_plan(apusk_integer_conv_pack_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = pack_run, .grain = 1};
  if (!apusk_integer_is_byte(args->type)) return 100;
  const int32_t status = apusk_conv_geometry_check(&args->geometry);
  if (status != 0) return status;
  if (apusk_integer_conv_packed_bytes(&args->geometry) < 0) return 301;
  plan->units = pack_units(&args->geometry);
  return 0;
}
