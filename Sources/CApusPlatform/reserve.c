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

// A region hands out its bytes in order and begins anew when none is in use. `state` is bytes handed out << 24 | blocks
// in use, in one word so that the last free and a new allocation can not miss each other.
typedef struct region {
  char *base;
  uint64_t size;
  _Atomic(uint64_t) state;
} region;

enum {
  block_bits = 24,
  maximum_regions = 48,  // each at least twice as large as the one before
  first_bytes = 256 << 10
};
static const uint64_t block_mask = ((uint64_t)1 << block_bits) - 1;

// What is there without a reservation: for the objects of small calls and of errors.
static _Alignas(64) char first_block[first_bytes];
static region regions[maximum_regions] = {{.base = first_block, .size = first_bytes}};
static _Atomic(int32_t) region_count = 1;

static pthread_mutex_t demand_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t demand;  // of all work between begin and end; under the lock

static uint64_t left_in(region *region) {
  return region->size - (atomic_load_explicit(&region->state, memory_order_relaxed) >> block_bits);
}

int32_t apusp_reserve_begin(uint64_t bytes) {
  const uint64_t most = (uint64_t)1 << 36;  // what the state word counts is larger still
  int32_t status = APUSP_OK;
  pthread_mutex_lock(&demand_lock);
  int32_t count = atomic_load_explicit(&region_count, memory_order_relaxed);
  bool enough = false;
  if (bytes > most || demand > most - bytes) {
    status = APUSP_OUT_OF_MEMORY;
  } else {
    for (int32_t i = 0; i < count && !enough; i++) enough = left_in(&regions[i]) >= demand + bytes;
  }
  if (status == APUSP_OK && !enough) {
    uint64_t size = 2 * regions[count - 1].size;
    while (size < demand + bytes) size *= 2;
    void *base = MAP_FAILED;
    if (count < maximum_regions)
      base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
      status = APUSP_OUT_OF_MEMORY;
    } else {
      regions[count].base = base;
      regions[count].size = size;
      atomic_store_explicit(&region_count, count + 1, memory_order_release);
    }
  }
  if (status == APUSP_OK) demand += bytes;
  pthread_mutex_unlock(&demand_lock);
  return status;
}

void apusp_reserve_end(uint64_t bytes) {
  pthread_mutex_lock(&demand_lock);
  demand -= bytes;
  pthread_mutex_unlock(&demand_lock);
}

static void *take(region *region, uint64_t alignment, uint64_t size) {
  uint64_t state = atomic_load_explicit(&region->state, memory_order_relaxed);
  for (;;) {
    uint64_t used = state >> block_bits, blocks = state & block_mask;
    uint64_t address = (uint64_t)(uintptr_t)region->base + used;
    uint64_t start = used + (-address & (alignment - 1));
    if (start > region->size || size > region->size - start || blocks == block_mask) return NULL;
    uint64_t next = (start + size) << block_bits | (blocks + 1);
    if (atomic_compare_exchange_weak_explicit(&region->state, &state, next, memory_order_acquire,
                                              memory_order_relaxed))
      return region->base + start;
  }
}

static void give_back(region *region) {
  uint64_t state = atomic_load_explicit(&region->state, memory_order_relaxed);
  uint64_t next;
  do {
    next = (state & block_mask) == 1 ? 0 : state - 1;
  } while (!atomic_compare_exchange_weak_explicit(&region->state, &state, next, memory_order_release,
                                                  memory_order_relaxed));
}

int apusp_swift_allocate(void **pointer, size_t alignment, size_t size);
void apusp_swift_free(void *pointer);

// posix_memalign for Swift.
int apusp_swift_allocate(void **pointer, size_t alignment, size_t size) {
  int error = posix_memalign(pointer, alignment, size);
  if (error != ENOMEM) return error;
  int32_t count = atomic_load_explicit(&region_count, memory_order_acquire);
  for (int32_t i = 0; i < count; i++) {
    void *taken = take(&regions[i], alignment, size != 0 ? size : 1);
    if (taken) {
      *pointer = taken;
      return 0;
    }
  }
  return error;
}

// free for Swift.
void apusp_swift_free(void *pointer) {
  int32_t count = atomic_load_explicit(&region_count, memory_order_acquire);
  for (int32_t i = 0; i < count; i++) {
    if ((uintptr_t)pointer - (uintptr_t)regions[i].base < regions[i].size) {
      give_back(&regions[i]);
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
