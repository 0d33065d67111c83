#include "machine.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEAST_PASSES = 4, CHAINS = 12 };

static const double SECONDS = 0.12;  // for each of the two

double now_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Keeps the compiler from computing a loop ahead or dropping its result.
#define KEEP(x) __asm__ volatile("" : "+x"(x))
#define KEEP_WIDE(x) __asm__ volatile("" : "+v"(x))

typedef float vector4 __attribute__((vector_size(16)));
typedef float vector8 __attribute__((vector_size(32)));
typedef float vector16 __attribute__((vector_size(64)));

#define PEAK_LOOP(vector, keep, steps)               \
  vector chain[CHAINS], factor = {0}, term = {0};    \
  for (int i = 0; i < CHAINS; i++) {                 \
    chain[i] = factor + (float)i;                    \
  }                                                  \
  factor += 0.999f;                                  \
  term += 0.001f;                                    \
  keep(factor);                                      \
  keep(term);                                        \
  for (int64_t s = 0; s < steps; s++) {              \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < CHAINS; i++) { \
      chain[i] = chain[i] * factor + term;           \
      keep(chain[i]);                                \
    }                                                \
  }

#pragma STDC FP_CONTRACT ON

#if defined(__x86_64__)
__attribute__((target("avx512f,fma"), noinline)) static void chains512(int64_t steps) {
  PEAK_LOOP(vector16, KEEP_WIDE, steps)
}
__attribute__((target("avx2,fma"), noinline)) static void chains256(int64_t steps) { PEAK_LOOP(vector8, KEEP, steps) }
__attribute__((noinline)) static void chains128(int64_t steps) { PEAK_LOOP(vector4, KEEP, steps) }

int widest_lanes(void) {
  if (__builtin_cpu_supports("avx512f")) {
    return 16;
  }
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 8 : 4;
}

const char *peak_name(int lanes) {
  return lanes == 16 ? "FMA on 512 bits" : lanes == 8 ? "FMA on 256 bits" : "multiply and add on 128 bits";
}

static void chains(int lanes, int64_t steps) {
  lanes == 16 ? chains512(steps) : lanes == 8 ? chains256(steps) : chains128(steps);
}
#else
#undef KEEP
#define KEEP(x) __asm__ volatile("" : "+w"(x))
__attribute__((noinline)) static void chains(int lanes, int64_t steps) {
  (void)lanes;
  PEAK_LOOP(vector4, KEEP, steps)
}
int widest_lanes(void) { return 4; }
const char *peak_name(int lanes) {
  (void)lanes;
  return "FMA on 128 bits";
}
#endif

double peak_flops(int lanes) {
  const int64_t steps = 100000;
  double best = 0;
  const double until = now_seconds() + SECONDS;
  for (int r = 0; r < LEAST_PASSES || now_seconds() < until; r++) {
    const double began = now_seconds();
    chains(lanes, steps);
    const double rate = 2.0 * lanes * CHAINS * (double)steps / (now_seconds() - began);
    best = rate > best ? rate : best;
  }
  return best;
}

#if defined(__x86_64__)
#include <immintrin.h>

// Dot products of four bytes each, accumulated in 32 bits: as many chains as the fused multiply-adds have.
#define INTEGER_LOOP(vector, zero, step)                                        \
  vector chain[CHAINS], left = zero, right = zero;                              \
  for (int i = 0; i < CHAINS; i++) {                                            \
    chain[i] = zero;                                                            \
  }                                                                             \
  KEEP_WIDE(left);                                                              \
  KEEP_WIDE(right);                                                             \
  for (int64_t s = 0; s < steps; s++) {                                         \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < CHAINS; i++) {       \
      chain[i] = step;                                                          \
      KEEP_WIDE(chain[i]);                                                      \
    }                                                                           \
  }

__attribute__((target("avx512f,avx512vnni"), noinline)) static void integers512(int64_t steps) {
  INTEGER_LOOP(__m512i, _mm512_setzero_si512(), _mm512_dpbusd_epi32(chain[i], left, right))
}
// Exact on any bytes: both are widened to 16 bits, two products a 32-bit sum.
__attribute__((target("avx2"), noinline)) static void integers256(int64_t steps) {
  INTEGER_LOOP(__m256i, _mm256_setzero_si256(), _mm256_add_epi32(chain[i], _mm256_madd_epi16(left, right)))
}

static int has_dot_products(void) { return __builtin_cpu_supports("avx512vnni") != 0; }

const char *integer_peak_name(void) {
  return has_dot_products() ? "int8 dot products (VNNI) on 512 bits"
                            : widest_lanes() >= 8 ? "16-bit multiply-adds on 256 bits" : peak_name(widest_lanes());
}

double peak_integers(void) {
  if (widest_lanes() < 8) {
    return peak_flops(widest_lanes());
  }
  const int64_t steps = 100000;
  const int products = has_dot_products() ? 64 : 16;
  double best = 0;
  const double until = now_seconds() + SECONDS;
  for (int r = 0; r < LEAST_PASSES || now_seconds() < until; r++) {
    const double began = now_seconds();
    has_dot_products() ? integers512(steps) : integers256(steps);
    const double rate = 2.0 * products * CHAINS * (double)steps / (now_seconds() - began);
    best = rate > best ? rate : best;
  }
  return best;
}
#else
const char *integer_peak_name(void) { return peak_name(widest_lanes()); }
double peak_integers(void) { return peak_flops(widest_lanes()); }
#endif

typedef uint64_t words __attribute__((vector_size(64), aligned(64)));

#define READ_ALL(suffix)                                                                 \
  static uint64_t read_all##suffix(const words *data, size_t count, int passes) {        \
    words a = {0}, b = {0}, c = {0}, d = {0};                                            \
    for (int p = 0; p < passes; p++) {                                                   \
      for (size_t i = 0; i + 4 <= count; i += 4) {                                       \
        a ^= data[i];                                                                    \
        b ^= data[i + 1];                                                                \
        c ^= data[i + 2];                                                                \
        d ^= data[i + 3];                                                                \
      }                                                                                  \
      __asm__ volatile("" : : "r"(data) : "memory");                                     \
    }                                                                                    \
    a ^= b ^ c ^ d;                                                                      \
    return a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7];                        \
  }

READ_ALL(_baseline)
#if defined(__x86_64__)
__attribute__((target("avx2"))) READ_ALL(_256)
__attribute__((target("avx512f"))) READ_ALL(_512)
#endif

static uint64_t read_all(const words *data, size_t count, int passes) {
#if defined(__x86_64__)
  if (widest_lanes() == 16) {
    return read_all_512(data, count, passes);
  }
  if (widest_lanes() == 8) {
    return read_all_256(data, count, passes);
  }
#endif
  return read_all_baseline(data, count, passes);
}

double read_bandwidth(size_t bytes) {
  const size_t count = (bytes + 255) / 256 * 4;
  words *data = aligned_alloc(64, count * sizeof *data);
  if (data == NULL) {
    return 0;
  }
  memset(data, 1, count * sizeof *data);
  const int passes = (int)(((size_t)8 << 20) / (count * sizeof *data)) + 1;
  volatile uint64_t sink = read_all(data, count, passes);
  double best = 0;
  const double until = now_seconds() + SECONDS;
  for (int r = 0; r < LEAST_PASSES || now_seconds() < until; r++) {
    const double began = now_seconds();
    sink ^= read_all(data, count, passes);
    const double rate = (double)(count * sizeof *data) * passes / (now_seconds() - began);
    best = rate > best ? rate : best;
  }
  free(data);
  return best;
}
