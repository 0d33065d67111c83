// What the machine could do at best, measured beside the models: the floor under every time.
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <stddef.h>

double now_seconds(void);

// Single-precision floating-point operations a second of one thread: independent chains of fused multiply-adds on the
// widest registers of this CPU. The best of several short runs.
double peak_flops(void);
// The name of what peak_flops used.
const char *peak_name(void);

// Bytes a second at which one thread reads a buffer of `bytes` again and again, so from the cache level that holds it.
double read_bandwidth(size_t bytes);

#endif
