// Signal operators: discrete Fourier transforms, windows and mel filter banks.
#ifndef APUSK_SIGNAL_H
#define APUSK_SIGNAL_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- discrete Fourier transform -------------------------------------------------------------------------------------------

// Transforms of n points, computed in float64 whatever the element type: by the radix-2 algorithm where n is a power of 2,
// else as a convolution with a chirp (Bluestein 1970), so in O(n log n) for every n.
//
//   X[k] = sum over t of x[t] e^(-2 pi i k t / n), k = 0 ..< bins; inverse: with +i, and divided by n
//
// A unit is one transform, (o, i) in row-major order of [outer, inner]: samples at input + o * input_outer + i * input_inner +
// t * input_step for t < samples, zeros from there to n; real ones, or pairs (re, im). `window`, if any, is a factor of each
// sample. Bin k is the pair at output + o * output_outer + i * output_inner + k * output_step. With `real_output` (of an
// inverse) the input holds the bins 0 ... n / 2 of a spectrum whose others are their conjugates, and a bin of the output is
// one real number.
typedef struct apusk_dft_args {
  const void *input;
  const void *window;  // [n] or NULL
  void *output;
  int64_t n, samples, bins;
  int64_t outer, inner;
  int64_t input_outer, input_inner, input_step;
  int64_t output_outer, output_inner, output_step;
  int32_t element_type;  // float32 or float64
  int32_t complex_input;
  int32_t inverse;
  int32_t real_output;
} apusk_dft_args;

// Returns 0, 100 for sizes out of range, 301 for an overflow, 502 for another element type.
int32_t apusk_dft_plan(const apusk_dft_args *args, apusk_plan *plan);

// ---- windows --------------------------------------------------------------------------------------------------------------

// output[t] = a0 - a1 cos(2 pi t / N) + a2 cos(4 pi t / N), N = n for a periodic window and n - 1 for a symmetric one,
// computed in float64 and rounded once (integers: cut towards 0). A window of one point is 1.
typedef struct apusk_window_args {
  void *output;
  int64_t n;
  double a0, a1, a2;
  int32_t element_type;  // float32, float64, (u)int8 ... (u)int64
  int32_t periodic;
} apusk_window_args;

// Returns 0, or 502 for an element type without a kernel.
int32_t apusk_window_plan(const apusk_window_args *args, apusk_plan *plan);

// ---- mel filter bank ------------------------------------------------------------------------------------------------------

// ONNX MelWeightMatrix: output [bins, mel_bins] of triangular filters whose corners are spaced evenly on the mel scale
// 2595 log10(1 + f / 700), rounded down to bins of a transform of `dft_length` points.
// A corner outside the bins is fault 600, operand 4. One unit.
typedef struct apusk_mel_args {
  void *output;
  int64_t bins, mel_bins;
  int64_t dft_length, sample_rate;
  double lower_hertz, upper_hertz;
  int32_t element_type;  // as for windows
  int32_t reserved;
} apusk_mel_args;

int32_t apusk_mel_plan(const apusk_mel_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
