// The geometry that convolutions over any number of axes share: phases, their taps, and windows of the input.
#ifndef APUSK_CONV_ND_INTERNAL_H
#define APUSK_CONV_ND_INTERNAL_H

#include "apusk_conv_nd.h"
#include "conv_isa.h"

// One axis of a phase: the outputs first_output + q * output_step, q = 0 ..< outputs, and the taps that reach them. Tap number
// j = 0 ..< taps is the kernel's element first_tap + j * tap_step and reads input q * input_step + offset + j * offset_step.
typedef struct apusk_phase_axis {
  int64_t outputs, first_output, output_step;
  int64_t taps, first_tap, tap_step;
  int64_t input_step, offset, offset_step;
} apusk_phase_axis;

typedef struct apusk_conv_phase {
  apusk_phase_axis axis[APUSK_CONV_MAX_AXES];
  int64_t taps;     // of all axes together
  int64_t outputs;  // pixels of one image
  int64_t before;   // taps of all phases before this one
} apusk_conv_phase;

// Phases of a geometry, and taps of all of them together.
typedef struct apusk_conv_phases {
  int64_t count, taps;
} apusk_conv_phases;

// 0, or a status; also fills what the plan functions write into the axes.
int32_t apusk_conv_geometry_check(apusk_conv_geometry *geometry);

// Of a geometry that was checked.
apusk_conv_phases apusk_conv_phases_of(const apusk_conv_geometry *geometry);
apusk_conv_phase apusk_conv_phase_of(const apusk_conv_geometry *geometry, int64_t index);

// The position of pixel `pixel` of a phase (over all images) on each axis and its image.
int64_t apusk_conv_pixel_of(const apusk_conv_geometry *geometry, const apusk_conv_phase *phase, int64_t pixel,
                            int64_t *position);

// Copies elements k0 ..< k0 + depth of one pixel's window (taps row-major, then channels first_channel ..< + channels of those
// that the kernel sees, where each input channel counts `repeat` times) to `target`. What lies outside is filled with `fill`
// bytes.
void apusk_conv_gather(const apusk_conv_geometry *geometry, const apusk_conv_phase *phase, const void *x, int64_t image,
                       const int64_t *position, int64_t first_channel, int64_t channels, int64_t repeat, int64_t k0,
                       int64_t depth, int64_t element_bytes, int fill, void *target);

// The index of the output pixel at `position` of a phase.
int64_t apusk_conv_output_of(const apusk_conv_geometry *geometry, const apusk_conv_phase *phase, int64_t image,
                             const int64_t *position);

static inline int64_t apusk_conv_kernel_taps(const apusk_conv_geometry *geometry) {
  int64_t taps = 1;
  for (int32_t a = 0; a < geometry->axes; a++) taps *= geometry->axis[a].kernel;
  return taps;
}

// The kernel's element, row-major, that tap number `tap` of a phase is.
static inline int64_t apusk_conv_tap_of(const apusk_conv_geometry *geometry, const apusk_conv_phase *phase, int64_t tap) {
  int64_t element = 0, stride = 1;
  for (int32_t a = geometry->axes - 1; a >= 0; a--) {
    const apusk_phase_axis *axis = &phase->axis[a];
    element += (axis->first_tap + tap % axis->taps * axis->tap_step) * stride;
    stride *= geometry->axis[a].kernel;
    tap /= axis->taps;
  }
  return element;
}

// Weight elements between neighbouring input channels and output channels of a group.
static inline int64_t apusk_conv_weight_cin_stride(const apusk_conv_geometry *geometry) {
  int64_t taps = apusk_conv_kernel_taps(geometry);
  return geometry->transposed ? geometry->cout / geometry->groups * taps : taps;
}
static inline int64_t apusk_conv_weight_cout_stride(const apusk_conv_geometry *geometry) {
  int64_t taps = apusk_conv_kernel_taps(geometry);
  return geometry->transposed ? taps : geometry->cin / geometry->groups * taps;
}
// The first weight of a group.
static inline int64_t apusk_conv_weight_group(const apusk_conv_geometry *geometry, int64_t group) {
  return group * (geometry->cin / geometry->groups) * (geometry->cout / geometry->groups) * apusk_conv_kernel_taps(geometry);
}

#endif
