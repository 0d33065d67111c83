// Blocks of elements of any type in one of three wide forms that hold them exactly.
#ifndef APUSK_WIDE_H
#define APUSK_WIDE_H

#include "../include/apusk_cast.h"

// Elements of a block. A multiple of 8, so that blocks of packed elements begin at whole bytes.
enum { apusk_wide_block_size = 256 };

typedef enum apusk_wide { apusk_wide_float, apusk_wide_signed, apusk_wide_unsigned } apusk_wide;

typedef union apusk_wide_block {
  double f[apusk_wide_block_size];
  int64_t i[apusk_wide_block_size];
  uint64_t u[apusk_wide_block_size];
} apusk_wide_block;

// What rounding to the types that saturate does, see apusk_cast.h.
typedef struct apusk_wide_rounding {
  int32_t saturate;
  int32_t round_mode;
} apusk_wide_rounding;

// The form that a type is loaded in.
apusk_wide apusk_wide_of(int32_t type);

// Bits of an element; 0 for types that have no wide form.
int32_t apusk_wide_bits(int32_t type);

// Elements that a unit of work takes so that units never share a byte: 8 for packed types, else 1.
int64_t apusk_wide_unit(int32_t type);

// The `count` elements from number `first` on, count <= apusk_wide_block_size.
void apusk_wide_load(apusk_wide_block *block, const void *source, int64_t first, int64_t count, int32_t type);

// The reverse, from a block of the form `kind`. Of packed types `first` is a multiple of 8, and the bits after the last element
// in its byte become 0.
void apusk_wide_store(
    void *target, int64_t first, const apusk_wide_block *block, int64_t count, apusk_wide kind, int32_t type,
    apusk_wide_rounding rounding);

// The same as doubles: integers beyond 2^53 are rounded.
void apusk_wide_load_doubles(double *values, const void *source, int64_t first, int64_t count, int32_t type);

#endif
