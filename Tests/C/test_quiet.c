// A run after prepare allocates nothing; on one thread it takes no lock and makes no system call. Needs interpose.c preloaded.
#include <dlfcn.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "interpose.h"

static interpose_start_fn start;
static interpose_stop_fn stop;

static apus_pool *make_pool(void) {
  apus_pool_options options;
  apus_pool_options_init(&options, sizeof options);
  options.threads = 2;
  apus_pool *pool = NULL;
  if (apus_pool_create(&options, &pool, &error) != APUS_OK) exit(2);
  return pool;
}

static const int64_t image[4] = {1, 1, 28, 28}, images[4] = {16, 1, 28, 28}, sequence[3] = {7, 4, 8};

// Runs a prepared session and counts. The first run counts as well: it may touch pages, not allocate.
static int32_t count_runs(apus_session *session, interpose_counts *counts) {
  int32_t status = APUS_OK;
  start();
  for (int i = 0; i < 100 && status == APUS_OK; i++) status = apus_session_run(session, NULL, &error);
  stop(counts);
  return status;
}

static void count_calls(const char *name, const int64_t *extents, uint64_t rank, apus_pool *pool, int bound) {
  apus_model *model = load_model(name);
  apus_session *session = open_session(model, pool, extents, rank);
  static float input[16 * 784], output[640];
  if (bound) {
    uint64_t size;
    CHECK_OK(apus_session_input_size(session, 0, &size, &error));
    CHECK(size <= sizeof input);
    CHECK_OK(apus_session_bind_input(session, 0, input, sizeof input, NULL, NULL, &error));
    CHECK_OK(apus_session_bind_output(session, 0, output, sizeof output, NULL, NULL, &error));
  }
  interpose_counts counts;
  CHECK_OK(count_runs(session, &counts));
  CHECK(counts.allocations == 0);
  CHECK(counts.frees == 0);
  CHECK(counts.mappings == 0);
  if (pool == NULL) {
    CHECK(counts.system == 0);
    CHECK(counts.locks == 0);
  }
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void the_counter_counts(void) {
  interpose_counts counts;
  start();
  void *volatile memory = malloc(100);
  free(memory);
  syscall(SYS_getpid);
  stop(&counts);
  CHECK(counts.allocations == 1 && counts.frees == 1 && counts.system == 1);
  apus_model *model;
  start();
  const int32_t status = apus_model_load_path(model_path("lenet"), NULL, &model, &error);
  stop(&counts);
  CHECK(status == APUS_OK && counts.allocations > 10);
  apus_model_release(model);
}

static void lenet_on_one_thread(void) { count_calls("lenet", image, 4, NULL, 0); }
static void lenet_with_bound_buffers(void) { count_calls("lenet", images, 4, NULL, 1); }
static void lstm_on_one_thread(void) { count_calls("lstm", sequence, 3, NULL, 0); }
static void lstm_with_bound_buffers(void) { count_calls("lstm", sequence, 3, NULL, 1); }

// Ten batch sizes, each prepared and run twice: the second time nothing is allocated, not by prepare either.
static void shapes_that_come_again(void) {
  apus_model *model = load_model("lenet");
  apus_session *session = open_session(model, NULL, image, 4);
  interpose_counts counts = {0};
  uint64_t in_use[2];
  for (int round = 0; round < 2; round++) {
    int32_t status = APUS_OK;
    if (round == 1) start();
    for (int64_t batch = 1; batch <= 10 && status == APUS_OK; batch++) {
      const int64_t extents[4] = {batch, 1, 28, 28};
      const apus_shape shape = {extents, 4};
      status = apus_session_prepare(session, &shape, 1, &error);
      if (status == APUS_OK) status = apus_session_run(session, NULL, &error);
    }
    if (round == 1) stop(&counts);
    CHECK_OK(status);
    CHECK_OK(apus_model_memory_use(model, &in_use[round], NULL, &error));
  }
  CHECK(counts.allocations == 0 && counts.frees == 0 && counts.mappings == 0);
  CHECK(in_use[0] == in_use[1]);
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void lenet_on_two_threads(void) {
  apus_pool *pool = make_pool();
  count_calls("lenet", images, 4, pool, 0);
  apus_pool_release(pool);
}

static void lstm_on_two_threads(void) {
  apus_pool *pool = make_pool();
  count_calls("lstm", sequence, 3, pool, 0);
  apus_pool_release(pool);
}

static const int64_t batch[4] = {8, 3, 64, 64};

static void arena_for(const int64_t *extents, uint64_t *bytes) {
  apus_model *model = load_model("pixels");
  apus_session *session = open_session(model, NULL, extents, 4);
  apus_session_info info;
  apus_session_info_init(&info, sizeof info);
  CHECK_OK(apus_session_inspect(session, &info, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
  *bytes = info.arena_bytes;
}

// Ports are bound anew for each image: that must not allocate either.
static void batches_image_by_image(void) {
  static const int64_t one[4] = {1, 3, 64, 64};
  uint64_t arena_of_batch = 0, arena_of_one = 1;
  arena_for(batch, &arena_of_batch);
  arena_for(one, &arena_of_one);
  CHECK(arena_of_batch == arena_of_one);
  count_calls("pixels", batch, 4, NULL, 0);
  apus_pool *pool = make_pool();
  count_calls("pixels", batch, 4, pool, 0);
  apus_pool_release(pool);
}

static void states_are_quiet_too(void) {
  apus_model *model = load_model("counter");
  apus_session *session;
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  CHECK_OK(apus_session_prepare(session, NULL, 0, &error));
  interpose_counts counts;
  CHECK_OK(count_runs(session, &counts));
  CHECK(counts.allocations == 0 && counts.frees == 0 && counts.mappings == 0 && counts.system == 0 && counts.locks == 0);
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

// The kernel itself watches: in strict seccomp mode any system call but read, write and exit kills the process. Finds what
// calls the system without the C library, too.
static void run_under_seccomp(const char *name, const int64_t *extents, uint64_t rank) {
  apus_model *model = load_model(name);
  apus_session *session = open_session(model, NULL, extents, rank);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) syscall(SYS_exit, 77);
    for (int i = 0; i < 20; i++) {
      if (apus_session_run(session, NULL, &error) != APUS_OK) syscall(SYS_exit, 1);
    }
    syscall(SYS_exit, 0);
  }
  int ended = 0;
  CHECK(waitpid(child, &ended, 0) == child);
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == 77) {
    fprintf(stderr, "note: this system has no strict seccomp mode; %s was not watched by the kernel\n", name);
  } else {
    CHECK(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
  }
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void lenet_makes_no_system_call(void) { run_under_seccomp("lenet", image, 4); }
static void lstm_makes_no_system_call(void) { run_under_seccomp("lstm", sequence, 3); }
static void batches_make_no_system_call(void) { run_under_seccomp("pixels", batch, 4); }

int main(int argc, char **argv) {
  start = (interpose_start_fn)dlsym(RTLD_DEFAULT, "interpose_start");
  stop = (interpose_stop_fn)dlsym(RTLD_DEFAULT, "interpose_stop");
  if (start == NULL || stop == NULL) {
    fprintf(stderr, "%s: the counting library is not preloaded\n", argv[0]);
    return 2;
  }
  static const test_case tests[] = {
      {"the_counter_counts", the_counter_counts},
      {"lenet_on_one_thread", lenet_on_one_thread},
      {"lenet_with_bound_buffers", lenet_with_bound_buffers},
      {"lstm_on_one_thread", lstm_on_one_thread},
      {"lstm_with_bound_buffers", lstm_with_bound_buffers},
      {"shapes_that_come_again", shapes_that_come_again},
      {"lenet_on_two_threads", lenet_on_two_threads},
      {"lstm_on_two_threads", lstm_on_two_threads},
      {"batches_image_by_image", batches_image_by_image},
      {"states_are_quiet_too", states_are_quiet_too},
      {"lenet_makes_no_system_call", lenet_makes_no_system_call},
      {"lstm_makes_no_system_call", lstm_makes_no_system_call},
      {"batches_make_no_system_call", batches_make_no_system_call},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
