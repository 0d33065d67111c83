// The windows of a pooling over any number of axes.
#ifndef APUSK_POOL_ND_INTERNAL_H
#define APUSK_POOL_ND_INTERNAL_H

#include "../include/apusk_element_type.h"
#include "../include/apusk_pool_nd.h"

// Channels that a unit takes.
#define POOL_CHANNELS 64

// The elements of one window inside the image: `count` of them on each axis, the first input pixel, and the steps between
// input pixels and between positions as indices count them.
typedef struct apusk_pool_window {
  int32_t axes;
  int64_t count[APUSK_POOL_MAX_AXES];
  int64_t pixel_step[APUSK_POOL_MAX_AXES], index_step[APUSK_POOL_MAX_AXES];
  int64_t pixel, index;
  int64_t elements;  // the product of the counts
  int64_t padded;    // window elements inside the padded image
} apusk_pool_window;

// Moves on to the next element in row-major order; `at` counts along each axis.
static inline void apusk_pool_next(const apusk_pool_window *window, int64_t *at, int64_t *pixel, int64_t *index) {
  for (int32_t a = window->axes - 1; a >= 0; a--) {
    *pixel += window->pixel_step[a];
    *index += window->index_step[a];
    if (++at[a] < window->count[a]) return;
    *pixel -= at[a] * window->pixel_step[a];
    *index -= at[a] * window->index_step[a];
    at[a] = 0;
  }
}

// The p-th root of a sum that is not negative, p >= 1, without the C library.
double apusk_pool_root(double sum, int32_t p);

static inline double apusk_pool_power(double x, int32_t p) {
  double magnitude = x < 0 ? -x : x, result = 1;
  for (int32_t i = p; i > 0; i /= 2) {
    if (i % 2 == 1) result *= magnitude;
    magnitude *= magnitude;
  }
  return result;
}

#endif
