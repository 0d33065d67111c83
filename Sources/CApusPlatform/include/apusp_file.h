// Files for reading. Interrupted calls are repeated, short reads continued.
#ifndef APUSP_FILE_H
#define APUSP_FILE_H

#include "apusp_base.h"

APUSP_BEGIN

// Statuses: 303 for a path that is not there, 300 for a lack of memory, 302 for all else. `system_error` (may be NULL) gets
// the errno, or 0, for apusp_system_error_text.

// Opens a file for reading. Directories are refused (302, EISDIR). The descriptor is closed on exec.
APUSP_NODISCARD int32_t apusp_file_open(const char *APUSP_NONNULL path, int32_t *APUSP_NONNULL descriptor,
                                        int32_t *APUSP_NULLABLE system_error);

void apusp_file_close(int32_t descriptor);

// A second descriptor of the same open file, closed on exec.
APUSP_NODISCARD int32_t apusp_file_duplicate(int32_t descriptor, int32_t *APUSP_NONNULL duplicate,
                                             int32_t *APUSP_NULLABLE system_error);

// The size of a regular file or block device in bytes, or UINT64_MAX for what has none (pipes, sockets, terminals).
// Directories are refused.
APUSP_NODISCARD int32_t apusp_file_size(int32_t descriptor, uint64_t *APUSP_NONNULL size,
                                        int32_t *APUSP_NULLABLE system_error);

// Reads up to `size` bytes from where the descriptor stands. *count is less than `size` only at the end of the file.
APUSP_NODISCARD int32_t apusp_file_read(int32_t descriptor, void *APUSP_NONNULL buffer, size_t size,
                                        size_t *APUSP_NONNULL count, int32_t *APUSP_NULLABLE system_error);

// The same at a place, without moving the descriptor: safe from several threads at once.
APUSP_NODISCARD int32_t apusp_file_read_at(int32_t descriptor, void *APUSP_NONNULL buffer, size_t size,
                                           uint64_t offset, size_t *APUSP_NONNULL count,
                                           int32_t *APUSP_NULLABLE system_error);

// Maps the first `size` > 0 bytes for reading. The file must not shrink while it is mapped: touching what is gone ends the
// process with SIGBUS. The descriptor may be closed.
APUSP_NODISCARD int32_t apusp_file_map(int32_t descriptor, uint64_t size,
                                       const void *APUSP_NULLABLE *APUSP_NONNULL address,
                                       int32_t *APUSP_NULLABLE system_error);
void apusp_file_unmap(const void *APUSP_NONNULL address, uint64_t size);

// Whole pages of a mapped file leave the process's resident memory; they come back where they are read again.
void apusp_file_forget(const void *APUSP_NONNULL address, uint64_t size);

size_t apusp_page_size(void);

// The system's words for an errno, NUL-terminated, cut to the buffer.
void apusp_system_error_text(int32_t system_error, char *APUSP_NONNULL buffer, size_t size);

APUSP_END
#endif
