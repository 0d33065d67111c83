// Measures one model in both runtimes, taking turns, and prints one JSON object.
//
// usage: measure LIBONNXRUNTIME MODEL.onnx MODEL.apus INPUT SHAPE OUTPUT SHAPE THREADS SECONDS WEIGHT_BYTES
//
// SHAPE is a comma-separated list of extents; INPUT and OUTPUT are the names in the ONNX model. WEIGHT_BYTES is the size of the
// buffer whose read bandwidth is measured.

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apus_side.h"
#include "floor.h"
#include "ort.h"

enum { MAX_RANK = 8, MAX_SAMPLES = 2000000, WARM_RUNS = 3, MIN_ROUND_RUNS = 8 };

static const double ROUND_SECONDS = 0.004;
static const struct timespec PAUSE = {.tv_nsec = 4000000};  // threads of the other runtime stop spinning meanwhile

typedef struct samples {
  float *seconds;
  size_t count;
} samples;

static void fail(const char *message) {
  fprintf(stderr, "measure: %s\n", message);
  exit(1);
}

static size_t parse_shape(char *text, int64_t shape[MAX_RANK], size_t *rank) {
  size_t elements = 1;
  *rank = 0;
  for (char *part = strtok(text, ","); part != NULL; part = strtok(NULL, ",")) {
    if (*rank == MAX_RANK) {
      fail("too many dimensions");
    }
    shape[*rank] = atoll(part);
    elements *= (size_t)shape[(*rank)++];
  }
  return elements;
}

static void pin(int cpus) {
  cpu_set_t allowed, chosen;
  CPU_ZERO(&chosen);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    fail("sched_getaffinity");
  }
  // The highest-numbered ones: interrupts tend to arrive at the first.
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0 && cpus > 0; cpu--) {
    if (CPU_ISSET(cpu, &allowed)) {
      CPU_SET(cpu, &chosen);
      cpus--;
    }
  }
  if (cpus != 0 || sched_setaffinity(0, sizeof chosen, &chosen) != 0) {
    fail("there are fewer CPUs than threads were asked for");
  }
}

typedef void run_function(void *session);

static void run_apus(void *session) { apus_side_run(session); }

static void run_ort(void *session) { ort_run(session); }

static void round_of(run_function *run, void *session, samples *into) {
  nanosleep(&PAUSE, NULL);
  for (int i = 0; i < WARM_RUNS; i++) {
    run(session);
  }
  const double until = now_seconds() + ROUND_SECONDS;
  double began = now_seconds();
  for (int i = 0; (i < MIN_ROUND_RUNS || began < until) && into->count < MAX_SAMPLES; i++) {
    run(session);
    const double ended = now_seconds();
    into->seconds[into->count++] = (float)(ended - began);
    began = ended;
  }
}

static int ascending(const void *a, const void *b) {
  const float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static void print_times(const char *name, samples *s) {
  qsort(s->seconds, s->count, sizeof *s->seconds, ascending);
  printf("\"%s\": {\"median\": %.4f, \"minimum\": %.4f, \"p90\": %.4f, \"runs\": %zu}, ", name,
         1e6 * (double)s->seconds[s->count / 2], 1e6 * (double)s->seconds[0], 1e6 * (double)s->seconds[s->count * 9 / 10],
         s->count);
}

int main(int argc, char **argv) {
  if (argc != 11) {
    fail("usage: measure LIBONNXRUNTIME MODEL.onnx MODEL.apus INPUT SHAPE OUTPUT SHAPE THREADS SECONDS WEIGHT_BYTES");
  }
  int64_t input_shape[MAX_RANK], output_shape[MAX_RANK];
  size_t input_rank, output_rank;
  const size_t inputs = parse_shape(argv[5], input_shape, &input_rank);
  const size_t outputs = parse_shape(argv[7], output_shape, &output_rank);
  const int threads = atoi(argv[8]);
  const double seconds = atof(argv[9]);
  const size_t weight_bytes = (size_t)atoll(argv[10]);
  pin(threads);

  float *input = aligned_alloc(64, (inputs * sizeof(float) + 63) / 64 * 64);
  float *ort_output = aligned_alloc(64, (outputs * sizeof(float) + 63) / 64 * 64);
  float *apus_output = aligned_alloc(64, (outputs * sizeof(float) + 63) / 64 * 64);
  samples ort_times = {malloc(MAX_SAMPLES * sizeof(float)), 0}, apus_times = {malloc(MAX_SAMPLES * sizeof(float)), 0};
  if (!input || !ort_output || !apus_output || !ort_times.seconds || !apus_times.seconds) {
    fail("out of memory");
  }
  uint64_t state = 1;
  for (size_t i = 0; i < inputs; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    input[i] = (float)(state >> 40) / (float)(1 << 24);
  }

  const ort_tensor ort_in = {argv[4], input, inputs, input_shape, input_rank};
  const ort_tensor ort_out = {argv[6], ort_output, outputs, output_shape, output_rank};
  ort_session *ort = ort_open(argv[1], argv[2], threads, &ort_in, &ort_out);
  apus_side *apus = apus_side_open(argv[3], threads, input, inputs, input_shape, input_rank, apus_output, outputs);

  ort_run(ort);
  apus_side_run(apus);
  double difference = 0;
  for (size_t i = 0; i < outputs; i++) {
    const double d = fabs((double)ort_output[i] - (double)apus_output[i]);
    difference = d > difference || isnan(d) ? d : difference;
  }

  const double until = now_seconds() + seconds;
  for (int round = 0; now_seconds() < until || round < 4; round++) {
    // Each goes first in every other round.
    for (int turn = 0; turn < 2; turn++) {
      if ((round + turn) % 2 == 0) {
        round_of(run_apus, apus, &apus_times);
      } else {
        round_of(run_ort, ort, &ort_times);
      }
    }
  }

  printf("{");
  print_times("apus", &apus_times);
  print_times("ort", &ort_times);
  printf("\"difference\": %.9g, \"ort_version\": \"%s\", \"kernels\": \"%s\", ", difference, ort_version(ort),
         apus_side_kernels(apus));
  printf("\"peak_name\": \"%s\", \"peak_flops\": %.6g, \"bytes_per_second\": %.6g}\n", peak_name(), peak_flops(),
         read_bandwidth(weight_bytes));
  apus_side_close(apus);
  ort_close(ort);
  free(apus_times.seconds);
  free(ort_times.seconds);
  free(apus_output);
  free(ort_output);
  free(input);
  return 0;
}
