// Windows and mel filter banks; see apusk_signal.h.
#include <math.h>
#include <stddef.h>

#include "../include/apusk_signal.h"

#pragma clang fp contract(off)

static int64_t element_bytes(int32_t type) {
  switch (type) {
    case APUSK_UINT8:
    case APUSK_INT8: return 1;
    case APUSK_UINT16:
    case APUSK_INT16: return 2;
    case APUSK_FLOAT32:
    case APUSK_UINT32:
    case APUSK_INT32: return 4;
    case APUSK_FLOAT64:
    case APUSK_UINT64:
    case APUSK_INT64: return 8;
    default: return 0;
  }
}

static void write_at(void *output, int32_t type, int64_t index, double value) {
  // Weights lie between -1 and 1: an integer type, signed or not, gets the low bits of the integer.
  switch (type) {
    case APUSK_FLOAT32: ((float *)output)[index] = (float)value; return;
    case APUSK_FLOAT64: ((double *)output)[index] = value; return;
    default: break;
  }
  int64_t integer = (int64_t)value;
  switch (element_bytes(type)) {
    case 1: ((uint8_t *)output)[index] = (uint8_t)integer; return;
    case 2: ((uint16_t *)output)[index] = (uint16_t)integer; return;
    case 4: ((uint32_t *)output)[index] = (uint32_t)integer; return;
    default: ((uint64_t *)output)[index] = (uint64_t)integer; return;
  }
}

static int32_t window(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_window_args *args = args_;
  (void)worker;
  const double turn = 6.283185307179586476925286766559;
  double points = (double)(args->periodic ? args->n : args->n - 1);
  for (int64_t t = begin; t < end; t++) {
    double angle = turn * (double)t / points;
    double value = args->n == 1 ? 1.0 : args->a0 - args->a1 * cos(angle) + args->a2 * cos(2 * angle);
    write_at(args->output, args->element_type, t, value);
  }
  return 0;
}

int32_t apusk_window_plan(const apusk_window_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = window, .units = args->n, .grain = 512};
  return element_bytes(args->element_type) == 0 ? 502 : 0;
}

// ---- mel filter bank -----------------------------------------------------------------------------------------------------

// The bin in which corner number `corner` of mel_bins + 2 lies.
static double corner_bin(const apusk_mel_args *args, int64_t corner) {
  double low = 2595.0 * log10(1.0 + args->lower_hertz / 700.0), high = 2595.0 * log10(1.0 + args->upper_hertz / 700.0);
  double mel = (double)corner * ((high - low) / (double)(args->mel_bins + 2)) + low;
  double hertz = 700.0 * (pow(10.0, mel / 2595.0) - 1.0);
  return floor((double)(args->dft_length + 1) * hertz / (double)args->sample_rate);
}

static int32_t mel(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_mel_args *args = args_;
  if (begin >= end) return 0;
  for (int64_t i = 0; i < args->bins * args->mel_bins; i++) write_at(args->output, args->element_type, i, 0.0);
  for (int64_t m = 0; m < args->mel_bins; m++) {
    int64_t corners[3];
    for (int i = 0; i < 3; i++) {
      double bin = corner_bin(args, m + i);
      if (!(bin >= 0 && bin < (double)args->bins)) {
        worker->fault = (apusp_fault){.code = 600, .operand = 4, .position = m,
                                      .value = bin >= 0 && bin < 1e18 ? (int64_t)bin : -1,
                                      .lower = 0, .upper = args->bins};
        return 600;
      }
      corners[i] = (int64_t)bin;
    }
    int64_t left = corners[0], center = corners[1], right = corners[2];
    if (left == center) write_at(args->output, args->element_type, center * args->mel_bins + m, 1.0);
    for (int64_t bin = left; bin <= center && left != center; bin++) {
      write_at(args->output, args->element_type, bin * args->mel_bins + m, (double)(bin - left) / (double)(center - left));
    }
    for (int64_t bin = center; bin < right; bin++) {
      write_at(args->output, args->element_type, bin * args->mel_bins + m, (double)(right - bin) / (double)(right - center));
    }
  }
  return 0;
}

int32_t apusk_mel_plan(const apusk_mel_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = mel, .units = args->bins > 0 && args->mel_bins > 0 ? 1 : 0, .grain = 1};
  return element_bytes(args->element_type) == 0 ? 502 : 0;
}
