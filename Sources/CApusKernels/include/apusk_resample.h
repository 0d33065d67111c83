// Kernels that read between elements: Resize, GridSample, AffineGrid, pooling of regions, non-maximum suppression.
#ifndef APUSK_RESAMPLE_H
#define APUSK_RESAMPLE_H

#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- Resize: tables -------------------------------------------------------------------------------------------------------

#define APUSK_RESIZE_NEAREST 0
#define APUSK_RESIZE_LINEAR 1
#define APUSK_RESIZE_CUBIC 2

#define APUSK_RESIZE_HALF_PIXEL 0
#define APUSK_RESIZE_HALF_PIXEL_SYMMETRIC 1
#define APUSK_RESIZE_PYTORCH_HALF_PIXEL 2
#define APUSK_RESIZE_ALIGN_CORNERS 3
#define APUSK_RESIZE_ASYMMETRIC 4
#define APUSK_RESIZE_TF_CROP_AND_RESIZE 5

#define APUSK_RESIZE_ROUND_PREFER_FLOOR 0
#define APUSK_RESIZE_ROUND_PREFER_CEIL 1
#define APUSK_RESIZE_FLOOR 2
#define APUSK_RESIZE_CEIL 3

// One axis of a Resize, as ONNX 19 defines it.
typedef struct apusk_resize_axis {
  int32_t mode;
  int32_t coordinates;
  int32_t rounding;  // of the nearest mode
  int32_t antialias;
  int32_t exclude_outside;
  int32_t reserved;
  int64_t input_size;  // 1 or more
  int64_t output_size;
  double scale;      // as given: output_size may be a rounded product
  double roi_start;  // of tf_crop_and_resize
  double roi_end;
  double cubic_a;
} apusk_resize_axis;

// An input element that an output element is made of. A negative index: the output lies outside of the input, and is the
// extrapolation value. A tap without weight names an element that has some.
typedef struct apusk_resize_tap {
  double weight;
  float single;  // the weight, rounded
  int32_t index;
} apusk_resize_tap;

// Taps of each output element; 0 where scale or sizes make no sense, or the input is 2^31 elements long or more.
int64_t apusk_resize_tap_count(const apusk_resize_axis *axis);
// The taps of each output element in turn, [output_size, tap_count].
void apusk_resize_fill_taps(const apusk_resize_axis *axis, apusk_resize_tap *taps);
// For the nearest mode: the input element of each output element, or -1.
void apusk_resize_fill_nearest(const apusk_resize_axis *axis, int64_t *table);

// ---- Resize: weighted sums ------------------------------------------------------------------------------------------------

// Two axes of a tensor at a time: output [outer, output_height, output_width, inner] of input
// [outer, input_height, input_width, inner]. Rows are blended first, then columns; taps in order. A NULL table leaves its axis as
// it is. Sums are float, for float64 and integers of 32 bits and more double; integers are rounded to nearest even and clamped.
// A unit is an output row.
typedef struct apusk_resize_args {
  const void *input;
  void *output;
  const apusk_resize_tap *row_taps;
  const apusk_resize_tap *column_taps;
  int64_t outer;
  int64_t input_height;
  int64_t output_height;
  int64_t input_width;
  int64_t output_width;
  int64_t inner;
  int32_t row_tap_count;
  int32_t column_tap_count;
  double extrapolation;
} apusk_resize_args;

// 0, or 502. Element types: float32, float64, uint8, int8, int32, int64.
int32_t apusk_resize_plan(int32_t level, int32_t element_type, const apusk_resize_args *args, apusk_plan *plan);

// ---- GridSample -----------------------------------------------------------------------------------------------------------

#define APUSK_PADDING_ZEROS 0
#define APUSK_PADDING_BORDER 1
#define APUSK_PADDING_REFLECTION 2

// output [batch, channels, places] of input [batch, channels, spatial...] at grid [batch, places, axes], innermost axis
// first, -1 ... 1 over the input. Modes are those of Resize. A unit is a place. input, grid and output are float32 or float64,
// all of one type.
typedef struct apusk_grid_sample_args {
  const void *input;
  const void *grid;
  void *output;
  int64_t batch;
  int64_t channels;
  int64_t places;
  int32_t axes;  // 1 ... 3
  int32_t mode;
  int32_t padding;
  int32_t align_corners;
  int64_t spatial[3];
} apusk_grid_sample_args;

// 0, or 502.
int32_t apusk_grid_sample_plan(int32_t element_type, const apusk_grid_sample_args *args, apusk_plan *plan);

// ---- AffineGrid -----------------------------------------------------------------------------------------------------------

// grid [batch, spatial..., axes] = theta [batch, axes, axes + 1] applied to the normalized places of an image. A unit is a
// place. float32 or float64; computed in double.
typedef struct apusk_affine_grid_args {
  const void *theta;
  void *grid;
  int64_t batch;
  int32_t axes;  // 2 or 3
  int32_t align_corners;
  int64_t spatial[3];
} apusk_affine_grid_args;

int32_t apusk_affine_grid_plan(int32_t element_type, const apusk_affine_grid_args *args, apusk_plan *plan);

// ---- RoiAlign, MaxRoiPool, CropAndResize ----------------------------------------------------------------------------------

// output [regions, channels, output_height, output_width] of input [batch, channels, height, width] and rois [regions, 4]
// (x1, y1, x2, y2). A unit is a region's channel. float32 or float64; a region's batch is checked (operand 2).
typedef struct apusk_roi_align_args {
  const void *input;
  const void *rois;
  const int64_t *batch_indices;
  void *output;
  int64_t batch;
  int64_t channels;
  int64_t height;
  int64_t width;
  int64_t regions;
  int64_t output_height;
  int64_t output_width;
  int64_t sampling_ratio;  // samples a bin and axis; 0: as many as the bin has elements
  double spatial_scale;
  int32_t half_pixel;
  int32_t takes_maximum;  // else the average
} apusk_roi_align_args;

int32_t apusk_roi_align_plan(int32_t element_type, const apusk_roi_align_args *args, apusk_plan *plan);

// output [regions, channels, output_height, output_width]: maxima over the bins of rois [regions, 5] (batch, x1, y1, x2, y2), in
// whole elements. A unit is a region's channel. float32 or float64.
typedef struct apusk_max_roi_pool_args {
  const void *input;
  const void *rois;
  void *output;
  int64_t batch;
  int64_t channels;
  int64_t height;
  int64_t width;
  int64_t regions;
  int64_t output_height;
  int64_t output_width;
  double spatial_scale;
} apusk_max_roi_pool_args;

int32_t apusk_max_roi_pool_plan(int32_t element_type, const apusk_max_roi_pool_args *args, apusk_plan *plan);

// ---- NonMaxSuppression, for host operators --------------------------------------------------------------------------------

// One class of one image: writes the selected boxes' numbers to `selected`, best first, and returns how many, at most `limit`.
// boxes [count, 4] are corners (y1, x1, y2, x2) in any order or, if `centered`, (x, y, width, height). Boxes whose score is not
// above `score_threshold` are left out (-infinity takes all but NaN). `candidates` holds 2 * count numbers of scratch.
int64_t apusk_non_max_suppression(
    const float *boxes, const float *scores, int64_t count, int32_t centered, float iou_threshold, float score_threshold,
    int64_t limit, int64_t *candidates, int64_t *selected);

#ifdef __cplusplus
}
#endif
#endif
