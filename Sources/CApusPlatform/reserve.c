// Swift's allocations in libapus: tools/build-libapus renames posix_memalign and free in the Swift objects to the two
// functions at the end. Memory comes from the system as ever; where the system has none, from the reserve.
#define _GNU_SOURCE
#include "apusp_reserve.h"

#ifdef APUS_LIBRARY
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "apusp_status.h"

// --- Regions: plain first-fit heaps, under one lock. Speed matters little where memory has run out. ---

// Before each block; sizes are multiples of 16 and include this.
typedef struct header {
  uint64_t size;
  uint64_t used;
} header;

typedef struct region {
  char *base;
  uint64_t size;
  uint64_t used;   // bytes of used blocks
  header *lowest;  // no block before this one is free; NULL until the region is first used
} region;

enum {
  maximum_regions = 40,  // each at least twice as large as the one before
  first_bytes = 256 << 10
};
_Static_assert(sizeof(header) == 16, "blocks keep the alignment of 16");

// What is there without a reservation: for the objects of small calls and of errors.
static _Alignas(64) char first_block[first_bytes];
static region regions[maximum_regions] = {{.base = first_block, .size = first_bytes}};
// The base and size of a region below the count never change: free reads them without the lock.
static _Atomic(int32_t) region_count = 1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t demand;  // of all work between begin and end

static header *after(header *block) { return (header *)((char *)block + block->size); }

static void *take(region *region, uint64_t alignment, uint64_t size) {
  if (alignment < sizeof(header)) alignment = sizeof(header);
  if (size > region->size || alignment > region->size) return NULL;
  header *end = (header *)(region->base + region->size);
  if (!region->lowest) {
    region->lowest = (header *)region->base;
    *region->lowest = (header){.size = region->size};
  }
  header *lowest = NULL;
  for (header *block = region->lowest; block < end; block = after(block)) {
    if (block->used) continue;
    for (header *next = after(block); next < end && !next->used; next = after(block)) block->size += next->size;
    if (!lowest) lowest = block;
    char *pointer = (char *)(((uintptr_t)(block + 1) + alignment - 1) & ~(uintptr_t)(alignment - 1));
    header *taken = (header *)pointer - 1;
    uint64_t before = (uint64_t)((char *)taken - (char *)block);
    uint64_t needed = sizeof(header) + ((size + 15) & ~(uint64_t)15);
    if (before + needed > block->size) continue;
    uint64_t behind = block->size - before - needed;
    if (before != 0) block->size = before;
    *taken = (header){.size = needed, .used = 1};
    if (behind != 0) *after(taken) = (header){.size = behind};
    region->used += needed;
    region->lowest = lowest == taken ? after(taken) : lowest;
    return pointer;
  }
  if (lowest) region->lowest = lowest;
  return NULL;
}

static void give_back(region *region, void *pointer) {
  header *block = (header *)pointer - 1;
  block->used = 0;
  region->used -= block->size;
  if (block < region->lowest) region->lowest = block;
}

// --- Reservations ---

// Whether a region can give `bytes` in all. Half of what is free is counted on, for what headers and holes take.
static bool can_give(uint64_t bytes) {
  int32_t count = atomic_load_explicit(&region_count, memory_order_relaxed);
  for (int32_t i = 0; i < count; i++)
    if ((regions[i].size - regions[i].used) / 2 >= bytes) return true;
  return false;
}

static bool add_region(uint64_t bytes) {
  int32_t count = atomic_load_explicit(&region_count, memory_order_relaxed);
  if (count == maximum_regions) return false;
  uint64_t size = 2 * regions[count - 1].size;
  while (size / 2 < bytes) size *= 2;
  void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return false;
  regions[count] = (region){.base = base, .size = size};
  atomic_store_explicit(&region_count, count + 1, memory_order_release);
  return true;
}

int32_t apusp_reserve_begin(uint64_t bytes) {
  const uint64_t most = (uint64_t)1 << 40;
  pthread_mutex_lock(&lock);
  bool enough = bytes <= most && demand <= most - bytes && (can_give(demand + bytes) || add_region(demand + bytes));
  if (enough) demand += bytes;
  pthread_mutex_unlock(&lock);
  return enough ? APUSP_OK : APUSP_OUT_OF_MEMORY;
}

void apusp_reserve_end(uint64_t bytes) {
  pthread_mutex_lock(&lock);
  demand -= bytes;
  pthread_mutex_unlock(&lock);
}

// --- What Swift calls ---

int apusp_swift_allocate(void **pointer, size_t alignment, size_t size);
void apusp_swift_free(void *pointer);

// posix_memalign for Swift.
int apusp_swift_allocate(void **pointer, size_t alignment, size_t size) {
  int error = posix_memalign(pointer, alignment, size);
  if (error != ENOMEM) return error;
  void *taken = NULL;
  pthread_mutex_lock(&lock);
  int32_t count = atomic_load_explicit(&region_count, memory_order_relaxed);
  for (int32_t i = 0; i < count && !taken; i++) taken = take(&regions[i], alignment, size);
  pthread_mutex_unlock(&lock);
  if (!taken) return error;
  *pointer = taken;
  return 0;
}

// free for Swift.
void apusp_swift_free(void *pointer) {
  int32_t count = atomic_load_explicit(&region_count, memory_order_acquire);
  for (int32_t i = 0; i < count; i++) {
    if ((uintptr_t)pointer - (uintptr_t)regions[i].base < regions[i].size) {
      pthread_mutex_lock(&lock);
      give_back(&regions[i], pointer);
      pthread_mutex_unlock(&lock);
      return;
    }
  }
  free(pointer);
}

#else

int32_t apusp_reserve_begin(uint64_t bytes) {
  (void)bytes;
  return 0;
}

void apusp_reserve_end(uint64_t bytes) { (void)bytes; }

#endif
