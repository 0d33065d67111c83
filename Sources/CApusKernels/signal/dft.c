// Discrete Fourier transforms of any length; see apusk_signal.h.
#include <math.h>
#include <stddef.h>

#include "../include/apusk_signal.h"

#pragma clang fp contract(off)

typedef struct complex_number {
  double re, im;
} complex_number;

static complex_number product(complex_number a, complex_number b) {
  return (complex_number){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

// e^(2 pi i k / n)
static complex_number root(int64_t k, int64_t n) {
  double angle = 6.283185307179586476925286766559 * (double)k / (double)n;
  return (complex_number){cos(angle), sin(angle)};
}

static int is_power_of_two(int64_t n) { return (n & (n - 1)) == 0; }

// Points of the transforms that a transform of n points is made of: n itself, or a power of 2 that holds the convolution.
static int64_t inner_points(int64_t n) {
  if (is_power_of_two(n)) return n;
  int64_t m = 1;
  while (m < 2 * n - 1) m *= 2;
  return m;
}

// In place, m a power of 2: sum of x[t] e^(-2 pi i k t / m). roots[j] = e^(2 pi i j / m), j < m / 2; `sign` -1 conjugates them.
static void radix2(complex_number *x, int64_t m, const complex_number *roots, double sign) {
  for (int64_t i = 1, j = 0; i < m; i++) {
    int64_t bit = m >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      complex_number swapped = x[i];
      x[i] = x[j];
      x[j] = swapped;
    }
  }
  for (int64_t length = 2; length <= m; length *= 2) {
    int64_t half = length / 2, step = m / length;
    for (int64_t start = 0; start < m; start += length) {
      for (int64_t j = 0; j < half; j++) {
        complex_number w = roots[j * step];
        w.im *= sign;
        complex_number a = x[start + j], b = product(x[start + j + half], w);
        x[start + j] = (complex_number){a.re + b.re, a.im + b.im};
        x[start + j + half] = (complex_number){a.re - b.re, a.im - b.im};
      }
    }
  }
}

// The tables of a length, in a worker's scratch.
typedef struct transform {
  int64_t n, m;
  complex_number *data;      // [m]
  complex_number *roots;     // [m / 2], at least 1
  complex_number *chirp;     // [n]: e^(pi i t^2 / n); lengths that are no power of 2 only
  complex_number *spectrum;  // [m]: the chirp's transform
} transform;

static transform prepared(int64_t n, complex_number *scratch) {
  int64_t m = inner_points(n);
  transform result = {.n = n, .m = m, .data = scratch, .roots = scratch + m};
  for (int64_t j = 0; j < m / 2; j++) result.roots[j] = root(j, m);
  if (is_power_of_two(n)) return result;
  result.chirp = result.roots + m / 2;
  result.spectrum = result.chirp + n;
  // t^2 modulo 2 n, step by step: (t + 1)^2 = t^2 + 2 t + 1.
  for (int64_t t = 0, square = 0; t < n; t++) {
    result.chirp[t] = root(square, 2 * n);
    square = (square + 2 * t + 1) % (2 * n);
  }
  for (int64_t t = 0; t < m; t++) result.spectrum[t] = (complex_number){0, 0};
  for (int64_t t = 0; t < n; t++) result.spectrum[t] = result.spectrum[t == 0 ? 0 : m - t] = result.chirp[t];
  radix2(result.spectrum, m, result.roots, -1);
  return result;
}

// data[k] = sum of data[t] e^(-2 pi i k t / n), k < n. With kt = (k^2 + t^2 - (k - t)^2) / 2 that is a convolution with the
// chirp.
static void transformed(const transform *t) {
  if (!t->chirp) {
    radix2(t->data, t->m, t->roots, -1);
    return;
  }
  for (int64_t i = 0; i < t->n; i++) {
    t->data[i] = product(t->data[i], (complex_number){t->chirp[i].re, -t->chirp[i].im});
  }
  for (int64_t i = t->n; i < t->m; i++) t->data[i] = (complex_number){0, 0};
  radix2(t->data, t->m, t->roots, -1);
  for (int64_t i = 0; i < t->m; i++) t->data[i] = product(t->data[i], t->spectrum[i]);
  radix2(t->data, t->m, t->roots, 1);
  for (int64_t i = 0; i < t->n; i++) {
    complex_number v = product(t->data[i], (complex_number){t->chirp[i].re, -t->chirp[i].im});
    t->data[i] = (complex_number){v.re / (double)t->m, v.im / (double)t->m};
  }
}

static double read_at(const apusk_dft_args *args, const void *elements, int64_t index) {
  return args->element_type == APUSK_FLOAT32 ? (double)((const float *)elements)[index] : ((const double *)elements)[index];
}

static void write_at(const apusk_dft_args *args, int64_t index, double value) {
  if (args->element_type == APUSK_FLOAT32) {
    ((float *)args->output)[index] = (float)value;
  } else {
    ((double *)args->output)[index] = value;
  }
}

static void load(const apusk_dft_args *args, int64_t offset, const transform *t) {
  for (int64_t i = 0; i < args->n; i++) {
    complex_number v = {0, 0};
    if (i < args->samples) {
      int64_t at = offset + i * args->input_step;
      v.re = read_at(args, args->input, at);
      if (args->complex_input) v.im = read_at(args, args->input, at + 1);
      if (args->window) {
        double factor = read_at(args, args->window, i);
        v.re *= factor;
        v.im *= factor;
      }
    }
    t->data[i] = v;
  }
  if (args->real_output) {
    // What a spectrum of real numbers has no room for: imaginary parts at 0 and, for even n, in the middle.
    t->data[0].im = 0;
    if (args->n % 2 == 0) t->data[args->n / 2].im = 0;
    for (int64_t i = 1; 2 * i < args->n; i++) t->data[args->n - i] = (complex_number){t->data[i].re, -t->data[i].im};
  }
}

static int32_t dft(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_dft_args *args = args_;
  int64_t n = args->n;
  transform t = prepared(n, worker->scratch);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t o = unit / args->inner, i = unit % args->inner;
    load(args, o * args->input_outer + i * args->input_inner, &t);
    transformed(&t);
    int64_t output = o * args->output_outer + i * args->output_inner;
    for (int64_t k = 0; k < args->bins; k++) {
      // An inverse transform is a forward one read backwards.
      complex_number v = t.data[args->inverse && k > 0 ? n - k : k];
      if (args->inverse) v = (complex_number){v.re / (double)n, v.im / (double)n};
      write_at(args, output + k * args->output_step, v.re);
      if (!args->real_output) write_at(args, output + k * args->output_step + 1, v.im);
    }
  }
  return 0;
}

int32_t apusk_dft_plan(const apusk_dft_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = dft, .grain = 1};
  if (args->n < 1 || args->samples < 0 || args->bins < 0 || args->bins > args->n || args->outer < 0 ||
      args->inner < 0) {
    return 100;
  }
  if (args->element_type != APUSK_FLOAT32 && args->element_type != APUSK_FLOAT64) return 502;
  if (args->n > INT64_MAX / 256) return 301;
  int64_t m = inner_points(args->n);
  plan->scratch_bytes = (2 * m + m / 2 + args->n + 1) * (int64_t)sizeof(complex_number);
  plan->grain = 1 + 20000 / (m + 8);
  return __builtin_mul_overflow(args->outer, args->inner, &plan->units) ? 301 : 0;
}
