// What every file of kernels includes before its functions get their target: nothing declared later is foreign to the level.
#include <math.h>
#include <stdint.h>
#include <string.h>
#if APUSK_ISA > 0
#include <immintrin.h>
#endif

#include "../include/apusk.h"

#pragma clang fp contract(off)
// Vectors are passed between functions that are all inlined into one: the calling convention of vectors doesn't matter.
#pragma clang diagnostic ignored "-Wpsabi"
