// The caller's allocator: it gets back all that it gave, with the same sizes, whatever fails, and limits hold.
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

// Counts what is out, checks what comes back, and refuses the `fails_at`-th allocation (0: none).
typedef struct hooks {
  _Atomic int64_t allocations;
  _Atomic int64_t live;
  _Atomic int64_t live_bytes;
  _Atomic int64_t peak_bytes;
  _Atomic int wrong;
  int64_t fails_at;
} hooks;

// In front of each block, so that deallocate can check what it is told.
typedef struct block_header {
  uint64_t magic, size, alignment;
  void *start;
} block_header;

static const uint64_t MAGIC = 0x41505553u;

static void *hook_allocate(void *user, uint64_t size, uint64_t alignment) {
  hooks *h = user;
  const int64_t number = atomic_fetch_add(&h->allocations, 1) + 1;
  if (number == h->fails_at) return NULL;
  if (size == 0 || alignment < 64 || (alignment & (alignment - 1)) != 0) atomic_fetch_add(&h->wrong, 1);
  void *start = NULL;
  const size_t front = alignment > sizeof(block_header) ? alignment : 64;
  if (posix_memalign(&start, alignment, front + size) != 0) return NULL;
  char *data = (char *)start + front;
  const block_header header = {MAGIC, size, alignment, start};
  memcpy(data - sizeof header, &header, sizeof header);
  atomic_fetch_add(&h->live, 1);
  const int64_t bytes = atomic_fetch_add(&h->live_bytes, (int64_t)size) + (int64_t)size;
  if (bytes > h->peak_bytes) h->peak_bytes = bytes;
  return data;
}

static void hook_deallocate(void *user, void *pointer, uint64_t size, uint64_t alignment) {
  hooks *h = user;
  block_header header;
  memcpy(&header, (char *)pointer - sizeof header, sizeof header);
  if (header.magic != MAGIC || header.size != size || header.alignment != alignment) {
    atomic_fetch_add(&h->wrong, 1);
    return;
  }
  atomic_fetch_sub(&h->live, 1);
  atomic_fetch_sub(&h->live_bytes, (int64_t)size);
  memset(pointer, 0xDD, size);
  free(header.start);
}

static void use_hooks(apus_allocator *allocator, hooks *h, int64_t fails_at) {
  memset(h, 0, sizeof *h);
  h->fails_at = fails_at;
  apus_allocator_init(allocator, sizeof *allocator);
  allocator->user = h;
  allocator->allocate = hook_allocate;
  allocator->deallocate = hook_deallocate;
}

typedef struct released {
  int count;
} released;

static void count_release(void *user, const void *memory) {
  (void)memory;
  ((released *)user)->count++;
}

// Loads, prepares and runs a model with everything it can hold, and gives all of it back. Returns the first failure.
static int32_t whole_life_of(const file_bytes *file, const int64_t *extents, uint64_t rank, const apus_allocator *allocator,
                             uint32_t thread_count, released *release) {
  apus_load_options load;
  apus_load_options_init(&load, sizeof load);
  load.allocator = allocator;
  apus_pool_options threads;
  apus_pool_options_init(&threads, sizeof threads);
  threads.threads = thread_count;
  threads.allocator = allocator;
  apus_model *model = NULL;
  apus_pool *pool = NULL;
  apus_session *session = NULL;
  int32_t status = apus_model_load_borrowed(file->data, file->size, count_release, release, &load, &model, &error);
  if (status == APUS_OK) status = apus_pool_create(&threads, &pool, &error);
  apus_session_options options;
  apus_session_options_init(&options, sizeof options);
  options.pool = pool;
  options.profile = 1;
  const apus_shape shape = {extents, rank};
  uint32_t count;
  if (status == APUS_OK) status = apus_session_create(model, &options, &session, &error);
  if (status == APUS_OK) status = apus_session_prepare(session, rank > 0 ? &shape : NULL, rank > 0, &error);
  if (status == APUS_OK) status = apus_session_run(session, NULL, &error);
  if (status == APUS_OK) status = apus_session_profile_count(session, &count, &error);
  if (status == APUS_OK) status = apus_model_self_test(model, pool, NULL, &error);
  apus_session_destroy(session, NULL);
  apus_pool_release(pool);
  apus_model_release(model);
  return status;
}

static int32_t whole_life(const char *name, const int64_t *extents, uint64_t rank, const apus_allocator *allocator,
                          released *release) {
  file_bytes file = model_bytes(name);
  const int32_t status = whole_life_of(&file, extents, rank, allocator, 2, release);
  free(file.data);
  return status;
}

static void everything_comes_back(void) {
  apus_allocator allocator;
  hooks h;
  released release = {0};
  const int64_t image[4] = {2, 1, 28, 28};
  use_hooks(&allocator, &h, 0);
  CHECK_OK(whole_life("lenet", image, 4, &allocator, &release));
  CHECK(h.allocations > 5 && h.live == 0 && h.live_bytes == 0 && h.wrong == 0 && release.count == 1);
}

static void fail_each_allocation(const char *name, const int64_t *extents, uint64_t rank) {
  apus_allocator allocator;
  hooks h;
  released release = {0};
  use_hooks(&allocator, &h, 0);
  CHECK_OK(whole_life(name, extents, rank, &allocator, &release));
  const int64_t total = h.allocations;
  for (int64_t n = 1; n <= total; n++) {
    use_hooks(&allocator, &h, n);
    release.count = 0;
    CHECK_STATUS(APUS_ERROR_OUT_OF_MEMORY, whole_life(name, extents, rank, &allocator, &release));
    CHECK(error.status == APUS_ERROR_OUT_OF_MEMORY && error.message[0]);
    CHECK(h.live == 0 && h.live_bytes == 0 && h.wrong == 0 && release.count == 1);
  }
}

static void each_failed_allocation_is_a_status_and_no_leak(void) {
  const int64_t image[4] = {2, 1, 28, 28}, sequence[3] = {7, 2, 8};
  fail_each_allocation("lenet", image, 4);
  fail_each_allocation("lstm", sequence, 3);
  fail_each_allocation("counter", NULL, 0);
  fail_each_allocation("affine", NULL, 0);
}

static void a_session_survives_a_failed_prepare(void) {
  apus_allocator allocator;
  hooks h;
  use_hooks(&allocator, &h, 0);
  apus_load_options load;
  apus_load_options_init(&load, sizeof load);
  load.allocator = &allocator;
  apus_model *model;
  CHECK_OK(apus_model_load_path(model_path("lenet"), &load, &model, &error));
  const int64_t one[4] = {1, 1, 28, 28}, two[4] = {2, 1, 28, 28};
  const apus_shape small = {one, 4}, large = {two, 4};
  apus_session *session = open_session(model, NULL, one, 4);
  for (int64_t n = 1;; n++) {
    h.fails_at = h.allocations + n;
    const int32_t status = apus_session_prepare(session, &large, 1, &error);
    h.fails_at = 0;
    if (status == APUS_OK) break;
    CHECK(status == APUS_ERROR_OUT_OF_MEMORY && n < 100);
    CHECK_STATUS(APUS_ERROR_NOT_PREPARED, apus_session_run(session, NULL, &error));
    CHECK_OK(apus_session_prepare(session, &small, 1, &error));
    CHECK_OK(apus_session_run(session, NULL, &error));
  }
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
  CHECK(h.live == 0 && h.wrong == 0);
}

static void the_memory_limit_holds(void) {
  apus_allocator allocator;
  hooks h;
  apus_limits limits;
  apus_load_options load;
  apus_load_options_init(&load, sizeof load);
  load.allocator = &allocator;
  load.limits = &limits;
  const int64_t extents[4] = {64, 1, 28, 28};
  const apus_shape shape = {extents, 4};
  int refused = 0, worked = 0;
  for (uint64_t limit = 1 << 16; limit <= 1 << 26; limit *= 2) {
    use_hooks(&allocator, &h, 0);
    apus_limits_init(&limits, sizeof limits);
    limits.memory_bytes = limit;
    apus_model *model = NULL;
    apus_session *session = NULL;
    int32_t status = apus_model_load_path(model_path("lenet"), &load, &model, &error);
    if (status == APUS_OK) status = apus_session_create(model, NULL, &session, &error);
    if (status == APUS_OK) status = apus_session_prepare(session, &shape, 1, &error);
    if (status == APUS_OK) status = apus_session_run(session, NULL, &error);
    CHECK(status == APUS_OK || status == APUS_ERROR_LIMIT_EXCEEDED);
    refused += status != APUS_OK;
    worked += status == APUS_OK;
    // The object that counts is outside of the limit.
    CHECK((uint64_t)h.peak_bytes <= limit + 4096);
    apus_session_destroy(session, NULL);
    apus_model_release(model);
    CHECK(h.live == 0);
  }
  CHECK(refused > 0 && worked > 0);
}

static void huge_shapes_are_refused_before_allocation(void) {
  apus_allocator allocator;
  hooks h;
  apus_limits limits;
  apus_load_options load;
  apus_load_options_init(&load, sizeof load);
  apus_limits_init(&limits, sizeof limits);
  limits.memory_bytes = (uint64_t)64 << 20;
  load.allocator = &allocator;
  load.limits = &limits;
  use_hooks(&allocator, &h, 0);
  apus_model *model;
  apus_session *session;
  CHECK_OK(apus_model_load_path(model_path("slow"), &load, &model, &error));
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  const int64_t sizes[] = {(int64_t)1 << 20, (int64_t)1 << 30, (int64_t)1 << 40, INT64_MAX};
  for (int i = 0; i < 4; i++) {
    const int64_t extents[2] = {sizes[i], 512};
    const apus_shape shape = {extents, 2};
    const int32_t status = apus_session_prepare(session, &shape, 1, &error);
    CHECK(status == APUS_ERROR_LIMIT_EXCEEDED || status == APUS_ERROR_SHAPE_MISMATCH || status == APUS_ERROR_SHAPE_INFERENCE);
    CHECK((uint64_t)h.peak_bytes <= limits.memory_bytes);
  }
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
  CHECK(h.live == 0);
}

// Takes all memory that the process can still get, then gives back `blocks` blocks of 16 KiB.
static void exhaust_memory(int blocks) {
  const struct rlimit space = {1 << 20, 1 << 20};  // less than is in use: nothing more from the system
  void **last = NULL, **block;
  if (setrlimit(RLIMIT_AS, &space) != 0) _exit(2);
  for (size_t size = 16 << 10; size >= sizeof *block; size /= 2) {
    while ((block = malloc(size)) != NULL) {
      // The small ones stay; the large ones are a chain.
      if (size < 16 << 10) continue;
      *block = last;
      last = block;
    }
  }
  for (; blocks > 0 && last != NULL; blocks--) {
    block = *last;
    free(last);
    last = block;
  }
}

// In a child without memory but `blocks` blocks: a whole life of LeNet, which may end in a status only.
static int life_without_memory(const file_bytes *file, int blocks) {
  const int64_t image[4] = {2, 1, 28, 28};
  const pid_t child = fork();
  if (child == 0) {
    apus_allocator allocator;
    hooks h;
    released release = {0};
    use_hooks(&allocator, &h, 0);
    exhaust_memory(blocks);
    const int32_t status = whole_life_of(file, image, 4, &allocator, 1, &release);
    if (h.live != 0 || release.count != 1) _exit(5);
    _exit(status == APUS_OK ? 0 : status == APUS_ERROR_OUT_OF_MEMORY ? 1 : 3);
  }
  int ended = 0;
  if (child < 0 || waitpid(child, &ended, 0) != child || !WIFEXITED(ended)) return 4;
  return WEXITSTATUS(ended);
}

// What libapus promises: no memory for small objects is a status. The Swift runtime of the other build ends the process.
static void exhausted_memory_is_a_status(void) {
  apus_build_info build;
  apus_build_info_init(&build, sizeof build);
  CHECK_OK(apus_build(&build, &error));
  if (!build.is_embedded) return;
  file_bytes file = model_bytes("lenet");
  // The first load sets the reserve aside.
  apus_model_release(load_model("lenet"));
  // A heap for the children to give back from, which stays with the process: the last block is in use.
  enum { BLOCKS = 512 };
  void *heap[BLOCKS + 1];
  for (int i = 0; i <= BLOCKS; i++) heap[i] = malloc(16 << 10);
  for (int i = 0; i < BLOCKS; i++) free(heap[i]);
  int refused = 0, worked = 0;
  for (int blocks = 0; blocks <= BLOCKS; blocks += blocks < 64 ? 2 : 8) {
    const int result = life_without_memory(&file, blocks);
    CHECK(result == 0 || result == 1);
    refused += result == 1;
    worked += result == 0;
  }
  CHECK(refused > 0 && worked > 0);
  free(heap[BLOCKS]);
  free(file.data);
}

// Bytes of the process that are in physical memory.
static int64_t resident_bytes(void) {
  long pages = 0;
  FILE *statm = fopen("/proc/self/statm", "r");
  if (!statm || fscanf(statm, "%*s %ld", &pages) != 1) pages = 0;
  if (statm) fclose(statm);
  return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static void sessions_share_one_copy_of_the_weights(void) {
  const int64_t weights = 2048 * 2048 * 4;
  const int64_t extents[2] = {1, 2048};
  apus_model *model = load_model("wide");
  const int64_t before = resident_bytes();
  apus_session *one = open_session(model, NULL, extents, 2);
  CHECK_OK(apus_session_run(one, NULL, &error));
  const int64_t first = resident_bytes();
  apus_session *two = open_session(model, NULL, extents, 2);
  CHECK_OK(apus_session_run(two, NULL, &error));
  const int64_t second = resident_bytes();
  CHECK(before > 0 && first - before >= weights);
  CHECK(second - first < weights / 8);
  // Nor is the file's form of them kept beside the packed one.
  uint64_t in_use;
  CHECK_OK(apus_model_memory_use(model, &in_use, NULL, &error));
  CHECK(in_use >= (uint64_t)weights && in_use < (uint64_t)weights * 5 / 4);
  CHECK_OK(apus_session_destroy(one, &error));
  CHECK_OK(apus_session_destroy(two, &error));
  apus_model_release(model);
}

static void half_an_allocator_is_refused(void) {
  apus_allocator allocator;
  hooks h;
  apus_model *model;
  apus_pool *pool;
  apus_load_options load;
  apus_load_options_init(&load, sizeof load);
  load.allocator = &allocator;
  use_hooks(&allocator, &h, 0);
  allocator.deallocate = NULL;
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_load_path(model_path("affine"), &load, &model, &error));
  use_hooks(&allocator, &h, 0);
  allocator.allocate = NULL;
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_model_load_path(model_path("affine"), &load, &model, &error));
  allocator.struct_size = 9;
  CHECK_STATUS(APUS_ERROR_STRUCT_SIZE, apus_model_load_path(model_path("affine"), &load, &model, &error));
  apus_pool_options threads;
  apus_pool_options_init(&threads, sizeof threads);
  threads.allocator = &allocator;
  CHECK_STATUS(APUS_ERROR_STRUCT_SIZE, apus_pool_create(&threads, &pool, &error));
  CHECK(h.allocations == 0);
}

int main(int argc, char **argv) {
  static const test_case tests[] = {
      {"everything_comes_back", everything_comes_back},
      {"each_failed_allocation_is_a_status_and_no_leak", each_failed_allocation_is_a_status_and_no_leak},
      {"a_session_survives_a_failed_prepare", a_session_survives_a_failed_prepare},
      {"the_memory_limit_holds", the_memory_limit_holds},
      {"huge_shapes_are_refused_before_allocation", huge_shapes_are_refused_before_allocation},
      {"exhausted_memory_is_a_status", exhausted_memory_is_a_status},
      {"sessions_share_one_copy_of_the_weights", sessions_share_one_copy_of_the_weights},
      {"half_an_allocator_is_refused", half_an_allocator_is_refused},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
