// Winograd's minimal filtering of 3x3 convolutions with stride 1 and dilation 1: F(2x2, 3x3) and F(4x4, 3x3).
//
// The output is cut into tiles of m x m pixels, m = 2 or 4, each from (m + 2) x (m + 2) input pixels d. With the matrices
// below (Cook-Toom, A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, section 4):
//
//   Y = A^T [ sum over ci of (G g G^T) * (B^T d B) ] A        (* element by element)
//
// For each of the (m + 2)^2 points the sum over ci is a matrix product of tiles x cin by cin x cout. Its order is that of
// the micro-kernels; the transforms are chains of fma in the order that winograd_transform.h writes down, columns of a tile
// before rows. So the bits depend on the sizes alone, as everywhere. They differ from those of the direct sum: see
// WINOGRAD.md for how much. Infinities and NaNs spread over their tile.
//
// m = 2: points 0, 1, -1, infinity. m = 4: points 0, +-a, +-b, infinity with the a and b below.
#ifndef APUSK_WINOGRAD_H
#define APUSK_WINOGRAD_H

#include "conv_shape.h"

// The points of F(4x4, 3x3). Their squares, and the product of these, are exact in fp32.
#define APUSK_WINOGRAD_A 0.625
#define APUSK_WINOGRAD_B 1.5

#define APUSK_WINOGRAD_MOST_POINTS 36

typedef struct apusk_conv_isa apusk_conv_isa;

// B^T d B of one tile: `channels` channels. Pixel (i, j) is at pixels[i * (m + 2) + j]; point (i, j) goes to
// v[(i * (m + 2) + j) * v_point], whole vectors, so up to the next multiple of 16 channels.
typedef struct apusk_winograd_input {
  const float *pixels[APUSK_WINOGRAD_MOST_POINTS];
  float *v;
  int64_t v_point;
  int64_t channels;
} apusk_winograd_input;

// A^T M A of one tile, plus bias and residual, in bounds: the first `rows` x `columns` of its outputs, `channels` channels.
// Point (i, j) is at sums[(i * (m + 2) + j) * sums_point], readable to a whole vector.
typedef struct apusk_winograd_output {
  const float *sums;
  int64_t sums_point;
  float *y;
  int64_t y_row, y_pixel;
  int64_t rows, columns;
  int64_t channels;
  const float *bias;      // NULL: none
  const float *residual;  // as y; NULL: none
  int64_t residual_row, residual_pixel;
  float low, high;  // infinite where there is no bound
} apusk_winograd_output;

typedef struct apusk_winograd_transforms {
  void (*input)(const apusk_winograd_input *tile);
  void (*output)(const apusk_winograd_output *tile);
} apusk_winograd_transforms;

// Weights of `columns` <= width output channels, [columns, group_cin, 3, 3], to [points, group_cin, width].
void apusk_winograd_pack_panel(int32_t m, const float *weights, int64_t group_cin, int64_t columns, int32_t width,
                               float *packed);

// rows_per_unit (tiles) and panels_per_unit, and the plan's numbers.
void apusk_winograd_cut(const apusk_conv_isa *isa, apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                        apusk_plan *plan);

void apusk_winograd_run(const apusk_conv_isa *isa, const apusk_conv2d_f32_args *args, const apusk_conv_shape *shape,
                        int64_t begin, int64_t end, apusp_worker *worker);

#endif
