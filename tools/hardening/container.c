#include "container.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

// Fields of the header and of a segment's record.
enum {
  SEGMENT_COUNT = 12,
  FILE_LENGTH = 40,
  GRAPH = 48,     // stored size 32, raw size 32, checksum 64
  METADATA = 64,  // likewise
  TABLE_CHECKSUM = 80,
  HEADER_CHECKSUM = 120,
  RECORD_OFFSET = 0,
  RECORD_STORED_SIZE = 8,
  RECORD_RAW_SIZE = 16,
  RECORD_CHECKSUM = 24,
  RECORD_CODEC = 32,
  ALIGNMENT = 64,
  MAPPABLE_SIZE = 256 << 10,
  MAPPABLE_ALIGNMENT = 16 << 10,
  CODEC_RAW = 0
};

static void fail(const char *message) {
  fprintf(stderr, "hardening: %s\n", message);
  exit(2);
}

uint32_t load32(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t load64(const uint8_t *p) { return load32(p) | (uint64_t)load32(p + 4) << 32; }

void store32(uint8_t *p, uint32_t v) {
  for (int i = 0; i < 4; i++) {
    p[i] = (uint8_t)(v >> 8 * i);
  }
}

void store64(uint8_t *p, uint64_t v) {
  store32(p, (uint32_t)v);
  store32(p + 4, (uint32_t)(v >> 32));
}

void bytes_resize(bytes *b, size_t size) {
  if (size > b->capacity) {
    b->capacity = size * 2;
    b->data = realloc(b->data, b->capacity);
    if (b->data == NULL) {
      fail("out of memory");
    }
  }
  if (size > b->size) {
    memset(b->data + b->size, 0, size - b->size);
  }
  b->size = size;
}

void bytes_assign(bytes *b, const uint8_t *data, size_t size) {
  bytes_resize(b, size);
  if (size > 0) {
    memcpy(b->data, data, size);
  }
}

void bytes_free(bytes *b) {
  free(b->data);
  *b = (bytes){0};
}

static size_t aligned(size_t offset, size_t alignment) { return (offset + alignment - 1) / alignment * alignment; }

static size_t segment_alignment(const uint8_t *record, size_t stored_size) {
  return record[RECORD_CODEC] == CODEC_RAW && stored_size >= MAPPABLE_SIZE ? MAPPABLE_ALIGNMENT : ALIGNMENT;
}

static void decode_section(bytes *to, const uint8_t *file, size_t size, size_t offset, const uint8_t *field) {
  const size_t stored = load32(field), raw = load32(field + 4);
  if (offset > size || stored > size - offset || XXH64(file + offset, stored, 0) != load64(field + 8)) {
    fail("the model to start from is damaged");
  }
  bytes_resize(to, raw);
  if (raw > 0 && ZSTD_decompress(to->data, raw, file + offset, stored) != raw) {
    fail("a section of the model to start from does not decode");
  }
}

void container_parse(container *c, const uint8_t *file, size_t size) {
  memset(c, 0, sizeof *c);
  if (size < HEADER_SIZE) {
    fail("the model to start from has no header");
  }
  memcpy(c->header, file, HEADER_SIZE);
  size_t offset = HEADER_SIZE;
  decode_section(&c->graph, file, size, offset, c->header + GRAPH);
  offset = aligned(offset + load32(c->header + GRAPH), ALIGNMENT);
  decode_section(&c->metadata, file, size, offset, c->header + METADATA);
  offset = aligned(offset + load32(c->header + METADATA), ALIGNMENT);
  c->segment_count = load32(c->header + SEGMENT_COUNT);
  if (c->segment_count > MAX_SEGMENTS || c->segment_count * RECORD_SIZE > size - offset) {
    fail("the model to start from has too many segments");
  }
  bytes_assign(&c->table, file + offset, c->segment_count * RECORD_SIZE);
  for (size_t i = 0; i < c->segment_count; i++) {
    const uint8_t *record = c->table.data + i * RECORD_SIZE;
    bytes_assign(&c->segments[i], file + load64(record + RECORD_OFFSET), load64(record + RECORD_STORED_SIZE));
  }
}

void container_copy(container *to, const container *from) {
  memcpy(to->header, from->header, HEADER_SIZE);
  bytes_assign(&to->graph, from->graph.data, from->graph.size);
  bytes_assign(&to->metadata, from->metadata.data, from->metadata.size);
  bytes_assign(&to->table, from->table.data, from->table.size);
  to->segment_count = from->segment_count;
  for (size_t i = 0; i < from->segment_count; i++) {
    bytes_assign(&to->segments[i], from->segments[i].data, from->segments[i].size);
  }
}

void container_free(container *c) {
  bytes_free(&c->graph);
  bytes_free(&c->metadata);
  bytes_free(&c->table);
  for (size_t i = 0; i < MAX_SEGMENTS; i++) {
    bytes_free(&c->segments[i]);
  }
}

void compress_frame(bytes *to, const uint8_t *data, size_t size) {
  bytes_resize(to, ZSTD_compressBound(size));
  const size_t written = ZSTD_compress(to->data, to->size, data, size, 1);
  if (ZSTD_isError(written)) {
    fail("zstd can not compress");
  }
  bytes_resize(to, written);
}

void seal_header(uint8_t *header) { store64(header + HEADER_CHECKSUM, XXH64(header, HEADER_CHECKSUM, 0)); }

static void append(bytes *file, size_t offset, const uint8_t *data, size_t size) {
  if (offset + size > file->size) {
    bytes_resize(file, offset + size);
  }
  if (size > 0) {
    memcpy(file->data + offset, data, size);
  }
}

static size_t append_section(bytes *file, size_t offset, uint8_t *field, const bytes *raw, const bytes *kept) {
  bytes fresh = {0};
  if (kept == NULL) {
    compress_frame(&fresh, raw->data, raw->size);
    store32(field + 4, (uint32_t)raw->size);
  }
  const bytes *stored = kept != NULL ? kept : &fresh;
  append(file, offset, stored->data, stored->size);
  store32(field, (uint32_t)stored->size);
  store64(field + 8, XXH64(stored->data, stored->size, 0));
  offset = aligned(offset + stored->size, ALIGNMENT);
  bytes_free(&fresh);
  return offset;
}

void container_assemble(bytes *file, const container *c, const assembly *how) {
  uint8_t header[HEADER_SIZE];
  memcpy(header, c->header, HEADER_SIZE);
  bytes_resize(file, 0);
  bytes_resize(file, HEADER_SIZE);
  size_t offset = HEADER_SIZE;
  offset = append_section(file, offset, header + GRAPH, &c->graph, how->stored_graph);
  offset = append_section(file, offset, header + METADATA, &c->metadata, how->stored_metadata);
  const size_t table = offset;
  append(file, table, c->table.data, c->table.size);
  bytes_resize(file, table + c->table.size);
  offset = table + c->table.size;
  for (size_t i = 0; i < c->segment_count && (i + 1) * RECORD_SIZE <= c->table.size; i++) {
    uint8_t record[RECORD_SIZE];
    memcpy(record, c->table.data + i * RECORD_SIZE, RECORD_SIZE);
    const bytes *segment = &c->segments[i];
    offset = aligned(offset, segment_alignment(record, segment->size));
    if (how->place_segments) {
      store64(record + RECORD_OFFSET, offset);
      store64(record + RECORD_STORED_SIZE, segment->size);
      if (record[RECORD_CODEC] == CODEC_RAW) {
        store64(record + RECORD_RAW_SIZE, segment->size);
      }
    }
    if (how->seal_segments) {
      store64(record + RECORD_CHECKSUM, XXH64(segment->data, segment->size, 0));
    }
    append(file, offset, segment->data, segment->size);
    memcpy(file->data + table + i * RECORD_SIZE, record, RECORD_SIZE);
    offset += segment->size;
  }
  store32(header + SEGMENT_COUNT, (uint32_t)(c->table.size / RECORD_SIZE));
  store64(header + TABLE_CHECKSUM, XXH64(file->data + table, c->table.size, 0));
  store64(header + FILE_LENGTH, file->size);
  seal_header(header);
  memcpy(file->data, header, HEADER_SIZE);
}
