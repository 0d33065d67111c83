// Runs one model in one runtime on request, so that several runtimes can take turns, each in a process of its own.
//
// usage: runner MODEL TENSORS CPU,CPU,...
//
// TENSORS is a text file with a line for each input and output:  input|output NAME float32|int64 RANK EXTENT... FILE
// FILE holds the elements: of an input those to run on, of an output those that a reference computed. The process is pinned to
// the CPUs and has as many threads. It prints a line of JSON when the first result is there, and then answers
//   run SECONDS   runs for so long, at least three times; prints median and least time of a run in microseconds
//   cpu SECONDS   the same, of the time that the process had a CPU for: what a loaded machine can tell of one thread

#include "runtime.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAXIMUM_SAMPLES = 200000, LEAST_RUNS = 3, LOOKS = 100 };

static tensors all;
static void *references[MAXIMUM_TENSORS];
static double samples[MAXIMUM_SAMPLES];

_Noreturn void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static double seconds_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void) { return seconds_of(CLOCK_MONOTONIC); }

static void *memory(size_t bytes) {
  void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (p == NULL) {
    fail("runner", "out of memory");
  }
  memset(p, 0, (bytes + 63) / 64 * 64);
  return p;
}

static void read_tensor(FILE *list, const char *kind) {
  const int is_input = strcmp(kind, "input") == 0;
  size_t *count = is_input ? &all.input_count : &all.output_count;
  if (*count == MAXIMUM_TENSORS) {
    fail("runner", "too many tensors");
  }
  tensor *t = (is_input ? all.inputs : all.outputs) + *count;
  char type[16], path[4096];
  if (fscanf(list, "%255s %15s %zu", t->name, type, &t->rank) != 3 || t->rank > MAXIMUM_RANK) {
    fail("runner", "a line of the list of tensors is wrong");
  }
  t->type = strcmp(type, "int64") == 0 ? INT64 : FLOAT32;
  t->count = 1;
  for (size_t i = 0; i < t->rank; i++) {
    if (fscanf(list, "%ld", &t->shape[i]) != 1) {
      fail("runner", "an extent is missing in the list of tensors");
    }
    t->count *= (size_t)t->shape[i];
  }
  t->bytes = t->count * (t->type == INT64 ? 8 : 4);
  t->data = memory(t->bytes);
  void *into = t->data;
  if (!is_input) {
    into = references[*count] = memory(t->bytes);
  }
  FILE *file = fscanf(list, " %4095[^\n]", path) == 1 ? fopen(path, "rb") : NULL;
  if (file == NULL || fread(into, 1, t->bytes, file) != t->bytes) {
    fail(path, "is missing or too short");
  }
  fclose(file);
  (*count)++;
}

static void read_tensors(const char *path) {
  FILE *list = fopen(path, "r");
  if (list == NULL) {
    fail(path, "can not be read");
  }
  char kind[16];
  while (fscanf(list, "%15s", kind) == 1) {
    read_tensor(list, kind);
  }
  fclose(list);
}

static int pin(char *cpus) {
  cpu_set_t chosen;
  CPU_ZERO(&chosen);
  int count = 0;
  for (char *part = strtok(cpus, ","); part != NULL; part = strtok(NULL, ",")) {
    CPU_SET(atoi(part), &chosen);
    count++;
  }
  if (count == 0 || sched_setaffinity(0, sizeof chosen, &chosen) != 0) {
    fail("runner", "can not be pinned to these CPUs");
  }
  return count;
}

// The largest difference from the reference, over the largest magnitude in that output; infinite where a result is no number.
static double difference(void) {
  double worst = 0;
  for (size_t o = 0; o < all.output_count; o++) {
    if (all.outputs[o].type != FLOAT32) {
      continue;
    }
    const float *actual = all.outputs[o].data, *expected = references[o];
    double largest = 0, apart = 0;
    for (size_t i = 0; i < all.outputs[o].count; i++) {
      const double d = fabs((double)actual[i] - (double)expected[i]);
      largest = fmax(largest, fabs((double)expected[i]));
      apart = isfinite(d) ? fmax(apart, d) : INFINITY;
    }
    worst = fmax(worst, largest > 0 ? apart / largest : apart);
  }
  return worst;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// The least time between two looks at the clock.
static double look(clockid_t clock) {
  double least = INFINITY, before = seconds_of(clock);
  for (int i = 0; i < LOOKS; i++) {
    const double after = seconds_of(clock);
    least = fmin(least, after - before);
    before = after;
  }
  return least;
}

static void measure(clockid_t clock, double seconds) {
  const double looking = look(clock);
  runtime_run();
  size_t count = 0;
  double began = seconds_of(clock);
  const double until = began + seconds;
  do {
    runtime_run();
    const double ended = seconds_of(clock);
    samples[count++] = ended - began - looking;
    began = ended;
  } while ((began < until || count < LEAST_RUNS) && count < MAXIMUM_SAMPLES);
  qsort(samples, count, sizeof samples[0], ascending);
  printf("{\"median\": %.4f, \"minimum\": %.4f, \"runs\": %zu}\n", 1e6 * samples[count / 2], 1e6 * samples[0], count);
}

// VmHWM: what getrusage tells would begin with the peak of the process that started this one.
static double peak_megabytes(void) {
  char line[256];
  long kilobytes = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    sscanf(line, "VmHWM: %ld", &kilobytes);
  }
  if (file != NULL) {
    fclose(file);
  }
  return (double)kilobytes / 1024;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fail("usage", "runner MODEL TENSORS CPU,CPU,...");
  }
  const int threads = pin(argv[3]);
  read_tensors(argv[2]);
  const double began = now();
  runtime_open(argv[1], threads, &all);
  const double opened = now();
  runtime_run();
  const double ended = now();
  const double peak = peak_megabytes();
  printf("{\"version\": \"%s\", \"open_ms\": %.3f, \"first_ms\": %.3f, \"peak_mb\": %.2f, \"difference\": %.3g}\n",
         runtime_version(), 1e3 * (opened - began), 1e3 * (ended - opened), peak, fmin(difference(), 1e30));
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL) {
    measure(strncmp(line, "cpu ", 4) == 0 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, atof(line + 4));
    fflush(stdout);
  }
  // Without the libraries' own destructors: some peers' take seconds.
  _Exit(0);
}
