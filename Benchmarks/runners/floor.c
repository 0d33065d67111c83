// What the machine gives at best, measured beside the models: the floor under every time.
//
// usage: floor CPU,CPU,... BYTES
//
// One thread on each CPU, all at the same time. Prints a line of JSON: single-precision operations a second of independent
// chains of fused multiply-adds on the widest registers, the same of products of 8-bit integers, and bytes a second at which the
// threads read a buffer of BYTES, split between them, again and again, so from the cache level that holds it. Each is the sum of
// the threads' best passes.

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

enum { MAXIMUM_THREADS = 256 };

typedef struct job {
  int cpu;
  size_t bytes;
  pthread_barrier_t *together;
  double flops, integers, bandwidth;
} job;

static void *work(void *argument) {
  job *j = argument;
  cpu_set_t chosen;
  CPU_ZERO(&chosen);
  CPU_SET(j->cpu, &chosen);
  pthread_setaffinity_np(pthread_self(), sizeof chosen, &chosen);
  pthread_barrier_wait(j->together);
  j->flops = peak_flops(widest_lanes());
  pthread_barrier_wait(j->together);
  j->integers = peak_integers();
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
  double flops = 0, integers = 0, bandwidth = 0;
  for (int i = 0; i < count; i++) {
    pthread_join(threads[i], NULL);
    flops += jobs[i].flops;
    integers += jobs[i].integers;
    bandwidth += jobs[i].bandwidth;
  }
  printf("{\"name\": \"%s\", \"flops\": %.6g, \"integer_name\": \"%s\", \"integers\": %.6g, \"bandwidth\": %.6g}\n",
         peak_name(widest_lanes()), flops, integer_peak_name(), integers, bandwidth);
  return 0;
}
