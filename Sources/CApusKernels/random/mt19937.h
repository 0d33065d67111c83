// The generator MT19937, and the two distributions that the others are made of.
#ifndef APUSK_MT19937_H
#define APUSK_MT19937_H

#include <math.h>
#include <stdint.h>

enum { mt19937_words = 624, mt19937_shift = 397 };

typedef struct mt19937 {
  uint32_t words[mt19937_words];
  int32_t position;
  int32_t has_spare;
  double spare;  // the second of a pair of normal numbers
} mt19937;

static inline void mt19937_seed(mt19937 *state, uint32_t seed) {
  for (uint32_t i = 0; i < mt19937_words; i++) {
    state->words[i] = seed;
    seed = 1812433253u * (seed ^ seed >> 30) + i + 1;
  }
  state->position = mt19937_words;
  state->has_spare = 0;
}

static inline void mt19937_renew(mt19937 *state) {
  for (int32_t i = 0; i < mt19937_words; i++) {
    uint32_t joined = (state->words[i] & 0x80000000u) | (state->words[(i + 1) % mt19937_words] & 0x7fffffffu);
    state->words[i] = state->words[(i + mt19937_shift) % mt19937_words] ^ joined >> 1 ^ (joined & 1 ? 0x9908b0dfu : 0);
  }
  state->position = 0;
}

static inline uint32_t mt19937_next(mt19937 *state) {
  if (state->position == mt19937_words) mt19937_renew(state);
  uint32_t y = state->words[state->position++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ y >> 18;
}

// In [0, 1), 53 bits.
static inline double mt19937_uniform(mt19937 *state) {
  uint32_t high = mt19937_next(state) >> 5, low = mt19937_next(state) >> 6;
  return (high * 0x1p26 + low) * 0x1p-53;
}

static inline double mt19937_normal(mt19937 *state) {
  if (state->has_spare) {
    state->has_spare = 0;
    return state->spare;
  }
  double x, y, square;
  do {
    x = 2 * mt19937_uniform(state) - 1;
    y = 2 * mt19937_uniform(state) - 1;
    square = x * x + y * y;
  } while (square >= 1 || square == 0);
  double factor = sqrt(-2 * log(square) / square);
  state->spare = factor * x;
  state->has_spare = 1;
  return factor * y;
}

#endif
