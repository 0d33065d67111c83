// Template over a simd_*.h: raw sums to finished outputs (see apusk_tail.h for the rule).
// SIMD_ACTIVATE names apusk_math's activations of the level.
#include <math.h>

#include "gemm_isa.h"

// `n` lanes (VL, or fewer at the right edge) from column j on, all rows. A source beside the output is readable to
// a whole vector; loads as wide as the micro-kernel's stores are what the store buffer can forward.
// `plain`: no scale and no residual. `bounds`: the activation, if any, is a bound below or above.
SIMD_INLINE void finish_column(const apusk_finish *f, int64_t j, int64_t n, const bool bounds, const bool plain) {
  const apusk_tail *tail = f->tail;
  const bool whole = n == VL, whole_source = whole || f->source != f->output;
  vf scale = vset1(tail->scale), residual_scale = vset1(tail->residual_scale);
  vf alpha = vset1(tail->alpha), beta = vset1(tail->beta), low = vset1(-INFINITY), high = vset1(INFINITY);
  if (tail->activation == APUSK_ACTIVATION_RELU) low = vzero();
  if (tail->activation == APUSK_ACTIVATION_CLIP) {
    low = alpha;
    high = beta;
  }
  vf bias = vset1(-0.0f);  // v + -0 is v, whatever v is
  if (f->bias) bias = whole ? vload(f->bias + j) : vload_n(f->bias + j, n);
  const float *source = f->source + j, *residual = f->residual;
  float *output = f->output + j;
  const int64_t rows = f->rows, source_row = f->source_row, output_row = f->output_row;
  const int64_t residual_row = tail->residual_row_stride, residual_column = tail->residual_column_stride;
  for (int64_t i = 0; i < rows; i++) {
    vf v = whole_source ? vload(source) : vload_n(source, n);
    if (!plain) v = vmul(scale, v);
    v = vadd(v, bias);
    if (!plain && residual) {
      vf r;
      if (residual_column == 0) {
        r = vset1(*residual);
      } else if (residual_column == 1) {
        r = whole ? vload(residual + j) : vload_n(residual + j, n);
      } else {
        float lanes[VL] = {0};
        for (int64_t l = 0; l < n; l++) lanes[l] = residual[(j + l) * residual_column];
        r = vload(lanes);
      }
      v = vadd(v, vmul(residual_scale, r));
      residual += residual_row;
    }
    if (bounds) {
      v = vlower(vraise(v, low), high);
    } else if (tail->activation == APUSK_ACTIVATION_LEAKY_RELU) {
      v = vif_less(v, vzero(), vmul(alpha, v), v);
    } else {
      vf slope = vlower(vraise(vadd(vmul(alpha, v), beta), vzero()), vset1(1.0f));
      v = tail->activation == APUSK_ACTIVATION_HARD_SWISH ? vmul(v, slope) : slope;
    }
    if (whole) {
      vstore(output, v);
    } else {
      vstore_n(output, v, n);
    }
    source += source_row;
    output += output_row;
  }
}

SIMD_INLINE void finish_columns(const apusk_finish *f, const bool bounds) {
  bool plain = f->tail->scale == 1.0f && !f->residual;
  for (int64_t j = 0; j < f->columns; j += VL) {
    int64_t n = f->columns - j;
    if (plain) {
      if (n >= VL) {
        finish_column(f, j, VL, bounds, true);
      } else {
        finish_column(f, j, n, bounds, true);
      }
    } else if (n >= VL) {
      finish_column(f, j, VL, bounds, false);
    } else {
      finish_column(f, j, n, bounds, false);
    }
  }
}

SIMD_TARGET static void finish_rows(const apusk_finish *f) {
  const apusk_tail *tail = f->tail;
  switch (tail->activation) {
    case APUSK_ACTIVATION_LEAKY_RELU:
    case APUSK_ACTIVATION_HARD_SIGMOID:
    case APUSK_ACTIVATION_HARD_SWISH:
      finish_columns(f, false);
      return;
    default:
      finish_columns(f, true);
  }
  if (!apusk_tail_is_transcendental(tail)) return;
  SIMD_ACTIVATE(f->output, f->rows, f->output_row, f->columns, tail->activation, tail->alpha, tail->beta);
}
