// Packing of weights for convolutions over any number of axes: group, phase, panel of output channels; depthwise ones by phase
// and tap.
#include "conv_nd.h"

int64_t apusk_conv_nd_f32_packed_bytes(const apusk_conv_kernels *kernels, const apusk_conv_geometry *geometry) {
  apusk_conv_geometry g = *geometry;
  if (apusk_conv_geometry_check(&g) != 0) return -1;
  int64_t floats = apusk_conv_phases_of(&g).taps;
  if (apusk_conv_is_depthwise(g.cin, g.groups)) {
    floats *= apusk_conv_depthwise_columns(g.cout);
  } else {
    // The check has bounded the product with 32 columns more for all groups together; here each may have them.
    int64_t columns = apusk_conv_group_columns(g.cout / g.groups, kernels->gemm->nr);
    if (__builtin_mul_overflow(floats, g.cin, &floats) || __builtin_mul_overflow(floats, columns, &floats)) return -1;
  }
  if (floats > INT64_MAX / 4 - 64) return -1;
  int64_t bytes = (floats * (int64_t)sizeof(float) + 63) & ~(int64_t)63;
  return bytes == 0 ? 64 : bytes;
}

static void pack_depthwise(const apusk_conv_nd_pack_f32_args *args, const apusk_conv_phase *phase) {
  const apusk_conv_geometry *g = &args->geometry;
  int64_t columns = apusk_conv_depthwise_columns(g->cout), taps = apusk_conv_kernel_taps(g);
  float *row = args->packed + phase->before * columns;
  for (int64_t j = 0; j < phase->taps; j++, row += columns) {
    int64_t tap = apusk_conv_tap_of(g, phase, j);
    for (int64_t c = 0; c < columns; c++) row[c] = c < g->cout ? args->weights[c * taps + tap] : 0.0f;
  }
}

static void pack_group(const apusk_conv_nd_pack_f32_args *args, int32_t nr, const apusk_conv_phase *phase, int64_t phase_taps,
                       int64_t group) {
  const apusk_conv_geometry *g = &args->geometry;
  int64_t group_cin = g->cin / g->groups, group_cout = g->cout / g->groups;
  int64_t cin_stride = apusk_conv_weight_cin_stride(g), cout_stride = apusk_conv_weight_cout_stride(g);
  int64_t columns = apusk_conv_group_columns(group_cout, nr);
  const float *weights = args->weights + apusk_conv_weight_group(g, group);
  float *packed = args->packed + columns * group_cin * (group * phase_taps + phase->before);
  for (int64_t column = 0; column < group_cout; column += nr) {
    int32_t width = apusk_gemm_panel_width(group_cout, column / nr, nr);
    int64_t present = group_cout - column < width ? group_cout - column : width;
    for (int64_t j = 0; j < phase->taps; j++) {
      const float *source = weights + apusk_conv_tap_of(g, phase, j) + column * cout_stride;
      for (int64_t c = 0; c < group_cin; c++, source += cin_stride) {
        for (int64_t i = 0; i < width; i++) *packed++ = i < present ? source[i * cout_stride] : 0.0f;
      }
    }
  }
}

// Units: group, phase; of depthwise weights, phases.
int32_t apusk_conv_nd_pack_f32_run(const apusk_conv_isa *isa, const apusk_conv_nd_pack_f32_args *args, int64_t begin,
                                   int64_t end) {
  const apusk_conv_geometry *g = &args->geometry;
  bool depthwise = apusk_conv_is_depthwise(g->cin, g->groups);
  apusk_conv_phases phases = apusk_conv_phases_of(g);
  for (int64_t unit = begin; unit < end; unit++) {
    apusk_conv_phase phase = apusk_conv_phase_of(g, unit % phases.count);
    if (depthwise) {
      pack_depthwise(args, &phase);
    } else {
      pack_group(args, isa->gemm->kernels.nr, &phase, phases.taps, unit / phases.count);
    }
  }
  return 0;
}

static int64_t pack_units(const apusk_conv_geometry *g) {
  int64_t phases = apusk_conv_phases_of(g).count;
  return apusk_conv_is_depthwise(g->cin, g->groups) ? phases : phases * g->groups;
}

void apusk_conv_nd_pack_f32(const apusk_conv_kernels *kernels, const apusk_conv_geometry *geometry, const float *weights,
                            float *packed) {
  apusk_conv_nd_pack_f32_args args = {weights, packed, *geometry};
  if (apusk_conv_geometry_check(&args.geometry) != 0) return;
  apusk_conv_nd_pack_f32_run((const apusk_conv_isa *)kernels, &args, 0, pack_units(&args.geometry));
}

int32_t apusk_conv_nd_pack_f32_plan(const apusk_conv_kernels *kernels, apusk_conv_nd_pack_f32_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = kernels->conv_nd_pack_f32, .grain = 1};
  int32_t status = apusk_conv_geometry_check(&args->geometry);
  if (status != 0) return status;
  if (apusk_conv_nd_f32_packed_bytes(kernels, &args->geometry) < 0) return 301;
  plan->units = pack_units(&args->geometry);
  return 0;
}
