#include "cases.h"

#include <string.h>

const char *const case_kind_names[CASE_KINDS] = {"flip", "cut", "sealed"};

enum { FLIPS = 9 };

typedef struct generator {
  uint64_t state;
} generator;

// SplitMix64: any seed, consecutive ones included, gives an unrelated sequence.
static uint64_t next(generator *g) {
  uint64_t z = g->state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static uint64_t below(generator *g, uint64_t bound) { return bound == 0 ? 0 : next(g) % bound; }

void case_maker_init(case_maker *m, const uint8_t *good, size_t size) {
  memset(m, 0, sizeof *m);
  m->good = good;
  m->good_size = size;
  container_parse(&m->parts, good, size);
  compress_frame(&m->stored_graph, m->parts.graph.data, m->parts.graph.size);
  compress_frame(&m->stored_metadata, m->parts.metadata.data, m->parts.metadata.size);
}

void case_maker_free(case_maker *m) {
  container_free(&m->parts);
  container_free(&m->changed);
  bytes_free(&m->stored_graph);
  bytes_free(&m->stored_metadata);
  bytes_free(&m->stored);
}

uint64_t case_count(const case_maker *m, case_kind kind, uint64_t sealed) {
  switch (kind) {
    case CASE_FLIP:
      return (uint64_t)m->good_size * FLIPS;
    case CASE_CUT:
      return m->good_size;
    default:
      return sealed;
  }
}

int case_must_equal(case_kind kind) { return kind != CASE_SEALED; }

// One small change in a run of bytes, of the sorts that find off-by-one and overflow mistakes.
static void mutate(generator *g, bytes *b) {
  static const uint64_t edges[] = {0,          1,          2,          3,          7,          8,          0x7F,
                                   0x80,       0xFF,       0x100,      0x7FFF,     0x8000,     0xFFFF,     0x10000,
                                   0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 0x100000000};
  enum { EDGES = sizeof edges / sizeof *edges };
  if (b->size == 0) {
    bytes_resize(b, 1 + below(g, 64));
    return;
  }
  const size_t at = below(g, b->size);
  const size_t room = b->size - at;
  switch (below(g, 10)) {
    case 0:
      b->data[at] ^= (uint8_t)(1u << below(g, 8));
      break;
    case 1:
      b->data[at] = (uint8_t)next(g);
      break;
    case 2:
      b->data[at] = (uint8_t)edges[below(g, 9)];
      break;
    case 3:  // a 32-bit field, where FlatBuffers aligns them
      if (room >= 8) {
        store32(b->data + at / 4 * 4, (uint32_t)edges[below(g, EDGES)]);
      }
      break;
    case 4:
      if (room >= 16) {
        const uint64_t value = edges[below(g, EDGES)];
        store64(b->data + at / 8 * 8, below(g, 2) ? value : ~value);
      }
      break;
    case 5:  // a little more or less: offsets and lengths that almost fit
      if (room >= 8) {
        uint8_t *p = b->data + at / 4 * 4;
        store32(p, load32(p) + (uint32_t)below(g, 33) - 16);
      }
      break;
    case 6: {  // a copy of another place
      const size_t from = below(g, b->size);
      size_t size = 1 + below(g, 32);
      size = size < room ? size : room;
      size = size < b->size - from ? size : b->size - from;
      memmove(b->data + at, b->data + from, size);
      break;
    }
    case 7: {  // bytes cut out
      const size_t size = 1 + below(g, room < 64 ? room : 64);
      memmove(b->data + at, b->data + at + size, room - size);
      bytes_resize(b, b->size - size);
      break;
    }
    case 8: {  // bytes put in
      const size_t size = 1 + below(g, 64);
      bytes_resize(b, b->size + size);
      memmove(b->data + at + size, b->data + at, room);
      memset(b->data + at, (int)below(g, 256), size);
      break;
    }
    default:
      bytes_resize(b, at);
      break;
  }
}

static void mutate_some(generator *g, bytes *b) {
  // Mostly one change: many at once are refused for the first.
  const uint64_t changes = below(g, 4) != 0 ? 1 : 1 + below(g, 6);
  for (uint64_t i = 0; i < changes; i++) {
    mutate(g, b);
  }
}

static void make_sealed(case_maker *m, uint64_t seed, bytes *file) {
  generator g = {seed};
  container *c = &m->changed;
  container_copy(c, &m->parts);
  assembly how = {.place_segments = 1, .seal_segments = 1, .stored_graph = &m->stored_graph,
                  .stored_metadata = &m->stored_metadata};
  const uint64_t what = below(&g, 100);
  if (what < 60) {  // the graph is where most of the verifier's rules are
    mutate_some(&g, &c->graph);
    how.stored_graph = NULL;
  } else if (what < 72) {
    mutate_some(&g, &c->metadata);
    how.stored_metadata = NULL;
  } else if (what < 82 && c->table.size > 0) {
    mutate_some(&g, &c->table);
    how.place_segments = (int)below(&g, 2);
    how.seal_segments = (int)below(&g, 2);
  } else if (what < 88 && c->segment_count > 0) {
    mutate_some(&g, &c->segments[below(&g, c->segment_count)]);
  } else if (what < 94) {  // compressed bytes: the decoder
    const int graph = (int)below(&g, 2);
    const bytes *stored = graph ? &m->stored_graph : &m->stored_metadata;
    bytes_assign(&m->stored, stored->data, stored->size);
    mutate_some(&g, &m->stored);
    *(graph ? &how.stored_graph : &how.stored_metadata) = &m->stored;
  }
  container_assemble(file, c, &how);
  if (what >= 94) {  // the header's own fields
    uint8_t *p = file->data + 8 + below(&g, 112);
    *p = below(&g, 2) ? (uint8_t)next(&g) : (uint8_t)(*p ^ 1u << below(&g, 8));
    seal_header(file->data);
  }
}

void case_make_resealed(case_maker *m, bytes *file) {
  const assembly how = {.place_segments = 1, .seal_segments = 1};
  container_assemble(file, &m->parts, &how);
}

void case_make(case_maker *m, case_kind kind, uint64_t number, bytes *file) {
  switch (kind) {
    case CASE_FLIP: {
      const unsigned which = (unsigned)(number % FLIPS);
      bytes_assign(file, m->good, m->good_size);
      file->data[number / FLIPS] ^= which == FLIPS - 1 ? 0xFF : (uint8_t)(1u << which);
      break;
    }
    case CASE_CUT:
      bytes_assign(file, m->good, (size_t)number);
      break;
    default:
      make_sealed(m, number, file);
      break;
  }
}
