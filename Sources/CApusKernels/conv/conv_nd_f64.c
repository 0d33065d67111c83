// float64 convolutions over any number of axes: plain loops.
#include "conv_nd.h"

#pragma clang fp contract(off)

// Units: output pixels of all images.
static int32_t conv_nd_f64(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_conv_nd_args *args = args_;
  const apusk_conv_geometry *g = &args->geometry;
  int64_t group_cin = g->cin / g->groups, group_cout = g->cout / g->groups;
  int64_t cin_stride = apusk_conv_weight_cin_stride(g), cout_stride = apusk_conv_weight_cout_stride(g);
  apusk_conv_phase phase = apusk_conv_phase_of(g, 0);
  int64_t current = 0;
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t position[APUSK_CONV_MAX_AXES], rest = unit, index = 0, phases = 1;
    for (int32_t a = g->axes - 1; a >= 0; a--) {
      int64_t o = rest % g->axis[a].output, stride = g->transposed ? g->axis[a].stride : 1;
      int64_t residues = stride < g->axis[a].output ? stride : g->axis[a].output;
      rest /= g->axis[a].output;
      position[a] = o / stride;
      index += o % stride * phases;
      phases *= residues;
    }
    if (index != current) phase = apusk_conv_phase_of(g, index);
    current = index;
    double *y = (double *)args->y + unit * g->cout;
    double *window = worker->scratch;
    for (int64_t group = 0; group < g->groups; group++) {
      apusk_conv_gather(g, &phase, args->x, rest, position, group * group_cin, group_cin, 1, 0, phase.taps * group_cin,
                        sizeof(double), 0, window);
      const double *weights = (const double *)args->w + apusk_conv_weight_group(g, group);
      for (int64_t co = 0; co < group_cout; co++) {
        double sum = 0;
        for (int64_t j = 0; j < phase.taps; j++) {
          const double *w = weights + co * cout_stride + apusk_conv_tap_of(g, &phase, j);
          for (int64_t ci = 0; ci < group_cin; ci++) sum += window[j * group_cin + ci] * w[ci * cin_stride];
        }
        int64_t channel = group * group_cout + co;
        y[channel] = args->bias ? sum + args->bias[channel] : sum;
      }
    }
  }
  return 0;
}

int32_t apusk_conv_nd_f64_plan(apusk_conv_nd_args *args, apusk_plan *plan) {
  apusk_conv_geometry *g = &args->geometry;
  *plan = (apusk_plan){.kernel = conv_nd_f64, .grain = 1};
  int32_t status = apusk_conv_geometry_check(g);
  if (status != 0) return status;
  int64_t units = g->batch;
  for (int32_t a = 0; a < g->axes; a++) units *= g->axis[a].output;
  plan->units = units;
  plan->scratch_bytes = apusk_conv_kernel_taps(g) * (g->cin / g->groups) * (int64_t)sizeof(double);
  return 0;
}
