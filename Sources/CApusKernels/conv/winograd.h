// Winograd's minimal filtering of 3x3 convolutions with stride 1 and dilation 1: F(2x2, 3x3), F(4x4, 3x3), F(6x6, 3x3).
//
// The output is cut into tiles of m x m pixels, m = 2, 4 or 6, each from (m + 2) x (m + 2) input pixels d. With the matrices
// below (Cook-Toom, A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, section 4):
//
//   Y = A^T [ sum over ci of (G g G^T) * (B^T d B) ] A        (* element by element)
//
// For each of the (m + 2)^2 points the sum over ci is a matrix product of tiles x cin by cin x cout. Its order is that of
// the micro-kernels; the transforms are chains of fma in the order that winograd_transform.h writes down, columns of a tile
// before rows. So the bits depend on the sizes alone, as everywhere. They differ from those of the direct sum: see
// WINOGRAD.md for how much. Infinities and NaNs spread over their tile.
//
// The points are 0, infinity and pairs +-a, +-b, +-c, in this order. B^T has monic polynomials, and G what divides them:
// 1 / prod(p - q) over the other finite points q.
//
// An axis whose outputs are not a multiple of m ends in one or two tiles of m - 2, where that makes fewer products: 14 = 4 + 4
// + 4 + 2 takes 22 points where 16 would take 24. They use the first m points and so the same G g G^T; A^T makes up for the
// factors of the last pair +-c, p^2 - c^2, that G divides by. A tile may be m high and m - 2 wide.
#ifndef APUSK_WINOGRAD_H
#define APUSK_WINOGRAD_H

#include "conv_shape.h"

// The square of m + 2.
#define APUSK_WINOGRAD_MOST_POINTS 64

// A line of a tile: m outputs from m + 2 inputs.
typedef struct apusk_winograd_line {
  int32_t m;
  // Of B^T. For the points 0 and infinity: the m / 2 lower coefficients of prod(x^2 - p^2) over the pairs, those of even powers.
  // For each pair: the m / 2 - 1 lower ones of that product over the other pairs; a, -a.
  float input[15];
  // Of A^T: for 0; for each pair the powers 0 ..< m of a. Times what G divides by too much.
  float output[19];
} apusk_winograd_line;

// [m / 2 - 1][is m - 2]
extern const apusk_winograd_line apusk_winograd_lines[3][2];

typedef struct apusk_conv_isa apusk_conv_isa;

// B^T d B of one tile: `channels` channels. Pixel (i, j) is at pixels[j][i]; point (i, j) goes to v[i * v_row + j * v_point],
// whole vectors, so up to the next multiple of 16 channels.
typedef struct apusk_winograd_input {
  const apusk_winograd_line *column, *row;
  const float *pixels[8][8];
  float *v;
  int64_t v_row, v_point;
  int64_t channels;
} apusk_winograd_input;

// A^T M A of one tile, plus bias and residual, in bounds: the first `rows` x `columns` of its outputs, `channels` channels.
// Point (i, j) is at sums[i * sums_row + j * sums_point], readable to a whole vector.
typedef struct apusk_winograd_output {
  const apusk_winograd_line *column, *row;
  const float *sums;
  int64_t sums_row, sums_point;
  float *y;
  int64_t y_row, y_pixel;
  int64_t rows, columns;
  int64_t channels;
  const float *bias;      // NULL: none
  const float *residual;  // as y; NULL: none
  int64_t residual_row, residual_pixel;
  float low, high;  // infinite where there is no bound
} apusk_winograd_output;

// Maxima of 2x2 pixels: rows x columns of them. Source pixel (i, j) is at source[i * source_row + j * source_pixel].
typedef struct apusk_winograd_pool {
  const float *source;
  int64_t source_row, source_pixel;
  float *y;
  int64_t y_row, y_pixel;
  int64_t rows, columns, channels;
} apusk_winograd_pool;

typedef struct apusk_winograd_transforms {
  void (*input)(const apusk_winograd_input *tile);
  void (*output)(const apusk_winograd_output *tile);
  void (*pool)(const apusk_winograd_pool *tile);
} apusk_winograd_transforms;

// Weights of `columns` <= width output channels, [columns, group_cin, 3, 3], to [points, group_cin, width].
void apusk_winograd_pack_panel(int32_t m, const float *weights, int64_t group_cin, int64_t columns, int32_t width,
                               float *packed);

// Tiles of m outputs, then those of m - 2, on an axis of `outputs`.
void apusk_winograd_cut_axis(int64_t m, int64_t outputs, int64_t tiles[2]);

// Points of all tiles of an image.
double apusk_winograd_points(const apusk_conv2d_f32_args *args);

// rows_per_unit (tiles) and panels_per_unit, and the plan's numbers.
void apusk_winograd_cut(const apusk_conv_isa *isa, apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                        apusk_plan *plan);

void apusk_winograd_run(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                        int64_t begin, int64_t end, apusp_worker *worker);

#endif
