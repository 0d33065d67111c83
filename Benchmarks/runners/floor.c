// What the machine gives at best, measured beside the models: the floor under every time.
//
// usage: floor CPU,CPU,... BYTES
//
// One thread on each CPU, all at the same time. Prints a line of JSON: single-precision operations a second of independent
// chains of fused multiply-adds on the widest registers, and bytes a second at which the threads read a buffer of BYTES, split
// between them, again and again, so from the cache level that holds it. Each is the sum of the threads' best passes.

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEAST_PASSES = 4, CHAINS = 12, MAXIMUM_THREADS = 256 };

static const double SECONDS = 0.12;  // for each of the two

static double now_seconds(void) {
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

static int width(void) {
  if (__builtin_cpu_supports("avx512f")) {
    return 16;
  }
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 8 : 4;
}

static const char *peak_name(void) {
  return width() == 16 ? "FMA on 512 bits" : width() == 8 ? "FMA on 256 bits" : "multiply and add on 128 bits";
}

static void chains(int64_t steps) {
  width() == 16 ? chains512(steps) : width() == 8 ? chains256(steps) : chains128(steps);
}
#else
#undef KEEP
#define KEEP(x) __asm__ volatile("" : "+w"(x))
__attribute__((noinline)) static void chains(int64_t steps) { PEAK_LOOP(vector4, KEEP, steps) }
static int width(void) { return 4; }
static const char *peak_name(void) { return "FMA on 128 bits"; }
#endif

static double peak_flops(void) {
  const int64_t steps = 100000;
  double best = 0;
  const double until = now_seconds() + SECONDS;
  for (int r = 0; r < LEAST_PASSES || now_seconds() < until; r++) {
    const double began = now_seconds();
    chains(steps);
    const double rate = 2.0 * width() * CHAINS * (double)steps / (now_seconds() - began);
    best = rate > best ? rate : best;
  }
  return best;
}

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
  if (width() == 16) {
    return read_all_512(data, count, passes);
  }
  if (width() == 8) {
    return read_all_256(data, count, passes);
  }
#endif
  return read_all_baseline(data, count, passes);
}

static double read_bandwidth(size_t bytes) {
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

typedef struct job {
  int cpu;
  size_t bytes;
  pthread_barrier_t *together;
  double flops, bandwidth;
} job;

static void *work(void *argument) {
  job *j = argument;
  cpu_set_t chosen;
  CPU_ZERO(&chosen);
  CPU_SET(j->cpu, &chosen);
  pthread_setaffinity_np(pthread_self(), sizeof chosen, &chosen);
  pthread_barrier_wait(j->together);
  j->flops = peak_flops();
  pthread_barrier_wait(j->together);
  j->bandwidth = read_bandwidth(j->bytes);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: floor CPU,CPU,... BYTES\n");
    return 2;
  }
  static job jobs[MAXIMUM_THREADS];
  pthread_t threads[MAXIMUM_THREADS];
  pthread_barrier_t together;
  int count = 0;
  for (char *part = strtok(argv[1], ","); part != NULL && count < MAXIMUM_THREADS; part = strtok(NULL, ",")) {
    jobs[count++].cpu = atoi(part);
  }
  if (count == 0) {
    return 2;
  }
  pthread_barrier_init(&together, NULL, (unsigned)count);
  for (int i = 0; i < count; i++) {
    jobs[i].bytes = strtoull(argv[2], NULL, 10) / (size_t)count;
    jobs[i].together = &together;
    if (pthread_create(&threads[i], NULL, work, &jobs[i]) != 0) {
      fprintf(stderr, "floor: a thread could not be made\n");
      return 1;
    }
  }
  double flops = 0, bandwidth = 0;
  for (int i = 0; i < count; i++) {
    pthread_join(threads[i], NULL);
    flops += jobs[i].flops;
    bandwidth += jobs[i].bandwidth;
  }
  printf("{\"name\": \"%s\", \"flops\": %.6g, \"bandwidth\": %.6g}\n", peak_name(), flops, bandwidth);
  return 0;
}
