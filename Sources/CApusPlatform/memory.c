#define _GNU_SOURCE
#include "apusp_memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "apusp_status.h"

struct apusp_memory {
  apusp_memory_hooks hooks;
  uint64_t limit;
  _Atomic(int64_t) references;
  _Atomic(uint64_t) in_use;
  _Atomic(uint64_t) peak;
};

enum { minimum_alignment = 64 };

// --- The default hooks ---

// Blocks from here on come straight from mmap: they go back to the system when freed instead of splitting the heap, and
// from huge_page on they are laid out so that the system may use huge pages for them.
static const size_t mapped_from = (size_t)1 << 20;
static const size_t huge_page = (size_t)2 << 20;

#if defined(__SANITIZE_ADDRESS__)
#define APUSP_WATCHED_HEAP 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define APUSP_WATCHED_HEAP 1
#endif
#endif

#ifdef APUSP_WATCHED_HEAP
static const bool maps_blocks = false;  // AddressSanitizer guards heap blocks only
#else
static const bool maps_blocks = true;
#endif

static bool is_mapped(size_t size, size_t alignment) {
  return maps_blocks && size >= mapped_from && alignment <= huge_page;
}

static void *map_block(size_t size, size_t alignment) {
  bool huge = size >= 2 * huge_page;
  size_t step = huge ? huge_page : alignment;
  const size_t page = 4096;  // the smallest there is: a larger page only makes the trimming below do less
  size_t slack = step > page ? step : 0;
  if (size > SIZE_MAX - slack - page) return NULL;
  size_t length = (size + page - 1) & ~(page - 1);
  char *start = mmap(NULL, length + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return NULL;
  if (slack != 0) {
    char *aligned = (char *)(((uintptr_t)start + step - 1) & ~(uintptr_t)(step - 1));
    size_t before = (size_t)(aligned - start);
    if (before != 0) munmap(start, before);
    if (slack != before) munmap(aligned + length, slack - before);
    start = aligned;
  }
  if (huge) madvise(start, length, MADV_HUGEPAGE);
  return start;
}

static void *system_allocate(void *user, size_t size, size_t alignment) {
  (void)user;
  if (is_mapped(size, alignment)) return map_block(size, alignment);
  if (size > SIZE_MAX - alignment) return NULL;
  return aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
}

static void system_deallocate(void *user, void *pointer, size_t size, size_t alignment) {
  (void)user;
  if (is_mapped(size, alignment)) {
    munmap(pointer, size);
  } else {
    free(pointer);
  }
}

// --- Life ---

int32_t apusp_memory_create(const apusp_memory_hooks *hooks, uint64_t limit, apusp_memory **memory) {
  apusp_memory_hooks chosen = {system_allocate, system_deallocate, NULL};
  *memory = NULL;
  if (hooks) {
    if (!hooks->allocate || !hooks->deallocate) return APUSP_INVALID_ARGUMENT;
    chosen = *hooks;
  }
  apusp_memory *created = chosen.allocate(chosen.user, sizeof *created, minimum_alignment);
  if (!created) return APUSP_OUT_OF_MEMORY;
  created->hooks = chosen;
  created->limit = limit;
  atomic_init(&created->references, 1);
  atomic_init(&created->in_use, 0);
  atomic_init(&created->peak, 0);
  *memory = created;
  return APUSP_OK;
}

void apusp_memory_retain(apusp_memory *memory) {
  atomic_fetch_add_explicit(&memory->references, 1, memory_order_relaxed);
}

void apusp_memory_release(apusp_memory *memory) {
  if (atomic_fetch_sub_explicit(&memory->references, 1, memory_order_acq_rel) != 1) return;
  apusp_memory_hooks hooks = memory->hooks;
  hooks.deallocate(hooks.user, memory, sizeof *memory, minimum_alignment);
}

// --- Allocation ---

// Takes `size` out of what the limit leaves; false where it is too much.
static bool reserve(apusp_memory *memory, uint64_t size) {
  uint64_t used = atomic_load_explicit(&memory->in_use, memory_order_relaxed);
  do {
    if (size > memory->limit || used > memory->limit - size) return false;
  } while (!atomic_compare_exchange_weak_explicit(&memory->in_use, &used, used + size, memory_order_relaxed,
                                                  memory_order_relaxed));
  return true;
}

static void raise_peak(apusp_memory *memory) {
  uint64_t used = atomic_load_explicit(&memory->in_use, memory_order_relaxed);
  uint64_t peak = atomic_load_explicit(&memory->peak, memory_order_relaxed);
  while (used > peak && !atomic_compare_exchange_weak_explicit(&memory->peak, &peak, used, memory_order_relaxed,
                                                               memory_order_relaxed)) {
  }
}

static size_t at_least_one(size_t size) { return size != 0 ? size : 1; }

static size_t at_least_minimum(size_t alignment) {
  return alignment > minimum_alignment ? alignment : minimum_alignment;
}

void *apusp_allocate(apusp_memory *memory, size_t size, size_t alignment, int32_t *status) {
  int32_t unused;
  if (!status) status = &unused;
  if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
    *status = APUSP_INVALID_ARGUMENT;
    return NULL;
  }
  size = at_least_one(size);
  alignment = at_least_minimum(alignment);
  if (!reserve(memory, size)) {
    *status = APUSP_LIMIT_EXCEEDED;
    return NULL;
  }
  void *pointer = memory->hooks.allocate(memory->hooks.user, size, alignment);
  if (!pointer) {
    atomic_fetch_sub_explicit(&memory->in_use, size, memory_order_relaxed);
    *status = APUSP_OUT_OF_MEMORY;
    return NULL;
  }
  raise_peak(memory);
  *status = APUSP_OK;
  return pointer;
}

void apusp_free(apusp_memory *memory, void *pointer, size_t size, size_t alignment) {
  if (!pointer) return;
  size = at_least_one(size);
  memory->hooks.deallocate(memory->hooks.user, pointer, size, at_least_minimum(alignment));
  atomic_fetch_sub_explicit(&memory->in_use, size, memory_order_relaxed);
}

// --- Counters ---

uint64_t apusp_memory_in_use(const apusp_memory *memory) {
  return atomic_load_explicit(&((apusp_memory *)memory)->in_use, memory_order_relaxed);
}

uint64_t apusp_memory_peak(const apusp_memory *memory) {
  return atomic_load_explicit(&((apusp_memory *)memory)->peak, memory_order_relaxed);
}

uint64_t apusp_memory_limit(const apusp_memory *memory) { return memory->limit; }

void apusp_memory_reset_peak(apusp_memory *memory) {
  atomic_store_explicit(&memory->peak, atomic_load_explicit(&memory->in_use, memory_order_relaxed),
                        memory_order_relaxed);
}
