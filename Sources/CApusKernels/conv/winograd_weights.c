// Winograd's points, and the transform of the weights.
#include <string.h>

#include "winograd.h"

#pragma STDC FP_CONTRACT OFF

// Of four output channels, in double precision: fp32 weights are rounded once.
typedef double weights_4 __attribute__((vector_size(32)));
typedef float packed_4 __attribute__((vector_size(16), aligned(4), may_alias));

// The pairs of points, of m = 2, 4, 6. Their squares, and the products of these, are exact in fp32.
static const double points[3][3] = {{1}, {0.625, 1.5}, {0.5, 2, 1}};

#define LINE_2(a, f0, fa) {.m = 2, .input = {-(a) * (a), a, -(a)}, .output = {f0, fa, (fa) * (a)}}
#define LINE_4(a, b, f0, fa, fb)                                                                                  \
  {.m = 4,                                                                                                        \
   .input = {(a) * (a) * (b) * (b), -(a) * (a) - (b) * (b), -(b) * (b), a, -(a), -(a) * (a), b, -(b)},            \
   .output = {f0, fa, (fa) * (a), (fa) * (a) * (a), (fa) * (a) * (a) * (a), fb, (fb) * (b), (fb) * (b) * (b),     \
              (fb) * (b) * (b) * (b)}}
const apusk_winograd_line apusk_winograd_lines[3][2] = {
    {LINE_2(1, 1, 1)},
    {LINE_4(0.625, 1.5, 1, 1, 1), LINE_2(0.625, -2.25, 0.390625 - 2.25)},
    {{.m = 6,
      .input = {-1, 5.25, -5.25, 4, -5, 0.5, -0.5, 0.25, -1.25, 2, -2, 1, -4.25, 1, -1},
      .output = {1, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 1, 2, 4, 8, 16, 32, 1, 1, 1, 1, 1, 1}},
     LINE_4(0.5, 2, -1, 0.25 - 1, 4 - 1)},
};

// G g, of the three weights at g[0], g[stride], g[2 * stride].
static void weight_line(int32_t m, const weights_4 *g, int64_t stride, weights_4 *u) {
  const weights_4 g0 = g[0], g1 = g[stride], g2 = g[2 * stride];
  const double *p = points[m / 2 - 1];
  double all = 1;
  for (int32_t i = 0; i < m / 2; i++) {
    const double square = p[i] * p[i];
    double product = 2 * square;
    for (int32_t j = 0; j < m / 2; j++) {
      if (j != i) product *= square - p[j] * p[j];
    }
    const weights_4 even = g0 + square * g2, odd = p[i] * g1;
    u[2 + 2 * i] = (even + odd) * (1 / product);
    u[3 + 2 * i] = (even - odd) * (1 / product);
    all *= -square;
  }
  u[0] = g0 * (1 / all);
  u[1] = g2;
}

// Input channels whose weights are gathered at once: so much of an output channel's is read in one piece.
#define GATHERED 8

void apusk_winograd_pack_panel(int32_t m, const float *weights, int64_t group_cin, int64_t columns, int32_t width,
                               float *packed) {
  int32_t n = m + 2;
  float taps[GATHERED][9][APUSK_GEMM_MAX_NR] = {{{0}}};
  float values[APUSK_WINOGRAD_MOST_POINTS][APUSK_GEMM_MAX_NR];  // of one input channel: `packed` is written in whole rows
  for (int64_t first = 0; first < group_cin; first += GATHERED) {
    int64_t channels = group_cin - first < GATHERED ? group_cin - first : GATHERED;
    for (int64_t j = 0; j < columns; j++) {
      const float *source = weights + (j * group_cin + first) * 9;
      for (int64_t c = 0; c < channels; c++) {
        for (int t = 0; t < 9; t++) taps[c][t][j] = *source++;
      }
    }
    for (int64_t c = 0; c < channels; c++) {
      for (int64_t j = 0; j < width; j += 4) {
        weights_4 g[9], lines[8 * 3], line[8];  // lines[i * 3 + x]: point i of column x of the kernel
        for (int t = 0; t < 9; t++) g[t] = __builtin_convertvector(*(const packed_4 *)(taps[c][t] + j), weights_4);
        for (int x = 0; x < 3; x++) {
          weight_line(m, g + x, 3, line);
          for (int i = 0; i < n; i++) lines[i * 3 + x] = line[i];
        }
        for (int i = 0; i < n; i++) {
          weight_line(m, lines + i * 3, 1, line);
          for (int x = 0; x < n; x++) *(packed_4 *)(values[i * n + x] + j) = __builtin_convertvector(line[x], packed_4);
        }
      }
      for (int p = 0; p < n * n; p++) {
        memcpy(packed + (p * group_cin + first + c) * width, values[p], sizeof(float) * (size_t)width);
      }
    }
  }
}
