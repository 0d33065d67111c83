// Bulk memory: every large allocation of Apus comes from an apusp_memory, which knows the caller's allocator and limit.
#ifndef APUSP_MEMORY_H
#define APUSP_MEMORY_H

#include "apusp_base.h"

APUSP_BEGIN

// Reference counted; all functions are safe from any thread.
typedef struct apusp_memory apusp_memory;

// The caller's allocator. Both functions may be called from any thread, several at once.
typedef struct apusp_memory_hooks {
  // `size` > 0 bytes at a multiple of `alignment` (a power of two, at least 64), or NULL.
  void *APUSP_NULLABLE (*APUSP_NULLABLE allocate)(void *APUSP_NULLABLE user, size_t size, size_t alignment);
  // Gets the size and alignment that the pointer was allocated with.
  void (*APUSP_NULLABLE deallocate)(void *APUSP_NULLABLE user, void *APUSP_NONNULL pointer, size_t size,
                                    size_t alignment);
  void *APUSP_NULLABLE user;
} apusp_memory_hooks;

// A new apusp_memory with one reference. `hooks` is copied; NULL means the system's allocator (which takes large blocks
// straight from mmap and returns them at once). `limit` is the most bytes in use at a time; UINT64_MAX means no limit.
// The object itself lives in memory from the hooks, outside of the limit and the counters.
// Returns 0, 100 where only one of the two hooks is there, or 300.
APUSP_NODISCARD int32_t apusp_memory_create(const apusp_memory_hooks *APUSP_NULLABLE hooks, uint64_t limit,
                                            apusp_memory *APUSP_NULLABLE *APUSP_NONNULL memory);

void apusp_memory_retain(apusp_memory *APUSP_NONNULL memory);

// The last release frees the object. All its allocations must have been freed before.
void apusp_memory_release(apusp_memory *APUSP_NONNULL memory);

// `size` bytes, not initialized, at a multiple of max(alignment, 64); `alignment` is a power of two. A size of 0 counts as 1.
// NULL on failure, with *status 300 (the allocator refused), 301 (more than the limit) or 100 (bad alignment), else 0.
void *APUSP_NULLABLE apusp_allocate(apusp_memory *APUSP_NONNULL memory, size_t size, size_t alignment,
                                    int32_t *APUSP_NULLABLE status);

// Gives back what apusp_allocate returned for the same size and alignment; NULL is ignored.
void apusp_free(apusp_memory *APUSP_NONNULL memory, void *APUSP_NULLABLE pointer, size_t size, size_t alignment);

// Undoes the byte-plane filter of files for elements of 4 bytes: target[4 i + j] = source[j count + i].
void apusp_join_byte_planes4(const void *APUSP_NONNULL source, int64_t count, void *APUSP_NONNULL target);

// Bytes in use now, the most so far, and the limit. The counters count what was asked for.
uint64_t apusp_memory_in_use(const apusp_memory *APUSP_NONNULL memory);
uint64_t apusp_memory_peak(const apusp_memory *APUSP_NONNULL memory);
uint64_t apusp_memory_limit(const apusp_memory *APUSP_NONNULL memory);

// Makes the peak the bytes in use now.
void apusp_memory_reset_peak(apusp_memory *APUSP_NONNULL memory);

APUSP_END
#endif
