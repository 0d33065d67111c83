// The hostile files: each is made from a good one by its kind and its number alone, so that any can be made again.
#ifndef HARDENING_CASES_H
#define HARDENING_CASES_H

#include "container.h"

typedef enum case_kind {
  CASE_FLIP,    // number = 9 * position + which: one of 8 bits, or all of them
  CASE_CUT,     // number = length
  CASE_SEALED,  // number = seed of a random change, sealed again
  CASE_KINDS
} case_kind;

extern const char *const case_kind_names[CASE_KINDS];

typedef struct case_maker {
  const uint8_t *good;
  size_t good_size;
  container parts;
  bytes stored_graph, stored_metadata;  // the good file's, as they are stored
  container changed;                    // reused from case to case
  bytes stored;
} case_maker;

void case_maker_init(case_maker *m, const uint8_t *good, size_t size);
void case_maker_free(case_maker *m);
// The good file taken apart and put together again without a change: has to load and compute as the good one does, or
// sealing is not what the reader expects and the sealed cases would try nothing but checksums.
void case_make_resealed(case_maker *m, bytes *file);
// How many cases of this kind there are; `sealed` for CASE_SEALED.
uint64_t case_count(const case_maker *m, case_kind kind, uint64_t sealed);
// Makes one file.
void case_make(case_maker *m, case_kind kind, uint64_t number, bytes *file);
// Whether a good result is only right if it is the original's: true for changes that were not sealed.
int case_must_equal(case_kind kind);

#endif
