// What the machine gives at best to one thread.
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stddef.h>

double now_seconds(void);

// Floats in the widest registers of this CPU that multiply and add: 4, 8 or 16.
int widest_lanes(void);

// The name of what peak_flops times.
const char *peak_name(int lanes);

// Single-precision operations a second of independent chains of fused multiply-adds on registers of so many floats (at most
// widest_lanes()): the best of several passes.
double peak_flops(int lanes);

// The name of what peak_integers times.
const char *integer_peak_name(void);

// 8-bit multiplies and adds a second (two for each product) with 32-bit sums: the CPU's dot products of bytes where it has
// them, else the fastest exact way; the best of several passes.
double peak_integers(void);

// Bytes a second at which a buffer of `bytes` is read again and again, so from the cache level that holds it; the best pass.
double read_bandwidth(size_t bytes);

#endif
