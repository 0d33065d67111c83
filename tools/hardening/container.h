// Takes an .apus file apart and puts it together again, sealed: every size, place and checksum made consistent with
// content that was changed on purpose. Written from schemas/FORMAT.md alone, so that what it makes tries the reader
// with files that Apus's own writer would never write.
#ifndef HARDENING_CONTAINER_H
#define HARDENING_CONTAINER_H

#include <stddef.h>
#include <stdint.h>

enum { HEADER_SIZE = 128, RECORD_SIZE = 64, MAX_SEGMENTS = 64 };

typedef struct bytes {
  uint8_t *data;
  size_t size;
  size_t capacity;
} bytes;

void bytes_resize(bytes *b, size_t size);
void bytes_assign(bytes *b, const uint8_t *data, size_t size);
void bytes_free(bytes *b);

typedef struct container {
  uint8_t header[HEADER_SIZE];
  bytes graph;     // decoded
  bytes metadata;  // decoded
  bytes table;     // records, as they lie in the file
  bytes segments[MAX_SEGMENTS];  // stored bytes
  size_t segment_count;
} container;

// What the pieces are before they are put together.
typedef struct assembly {
  int place_segments;            // write offsets and stored sizes into the records; else they stay as the table says
  int seal_segments;             // write the segments' checksums into the records
  const bytes *stored_graph;     // in place of the graph freshly compressed, where not NULL
  const bytes *stored_metadata;  // likewise
} assembly;

// Ends the program with a message where `file` is not a good file.
void container_parse(container *c, const uint8_t *file, size_t size);
void container_copy(container *to, const container *from);
void container_free(container *c);
// One zstd frame with its content size.
void compress_frame(bytes *to, const uint8_t *data, size_t size);
// The whole file: header, sections, table, segments, with sizes and checksums of the sections, the table and the header.
void container_assemble(bytes *file, const container *c, const assembly *how);
// Writes the checksum of the header alone.
void seal_header(uint8_t *header);

uint32_t load32(const uint8_t *p);
uint64_t load64(const uint8_t *p);
void store32(uint8_t *p, uint32_t v);
void store64(uint8_t *p, uint64_t v);

#endif
