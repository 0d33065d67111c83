// Several threads: shared models and pools, the host's threads, cancel, timeout, and calls that come at the same time.
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"

static apus_pool *make_pool(uint32_t threads) {
  apus_pool_options options;
  apus_pool_options_init(&options, sizeof options);
  options.threads = threads;
  apus_pool *pool = NULL;
  if (apus_pool_create(&options, &pool, &error) != APUS_OK) exit(2);
  return pool;
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void pools_say_how_many_threads(void) {
  apus_pool *pool = NULL;
  apus_cpu_info cpu;
  apus_cpu_info_init(&cpu, sizeof cpu);
  CHECK_OK(apus_cpu(&cpu, &error));
  CHECK_OK(apus_pool_create(NULL, &pool, &error));
  CHECK(apus_pool_threads(pool) == cpu.threads);
  apus_pool_retain(pool);
  apus_pool_release(pool);
  CHECK(apus_pool_threads(pool) == cpu.threads);
  apus_pool_release(pool);
  CHECK(apus_pool_threads(pool) == 0);
  apus_pool_release(pool);
  CHECK(apus_pool_threads(NULL) == 0);
  apus_pool_release(NULL);
  apus_pool_options options;
  apus_pool_options_init(&options, sizeof options);
  const uint32_t wrong[] = {1025, UINT32_MAX, (uint32_t)INT32_MAX + 1};
  for (int i = 0; i < 3; i++) {
    options.threads = wrong[i];
    CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_pool_create(&options, &pool, &error));
    CHECK(pool == NULL);
  }
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_pool_create(NULL, NULL, &error));
}

// Runs LeNet on one image and writes its logits.
static int32_t run_lenet(apus_session *session, const float *pixels, float *logits) {
  int32_t status = apus_session_bind_input(session, 0, pixels, 784 * 4, NULL, NULL, NULL);
  if (status == APUS_OK) status = apus_session_bind_output(session, 0, logits, 40, NULL, NULL, NULL);
  return status == APUS_OK ? apus_session_run(session, NULL, NULL) : status;
}

typedef struct runner {
  apus_session *session;
  const float *pixels;
  float logits[10];
  int32_t status;
} runner;

static void *run_often(void *user) {
  runner *r = user;
  float first[10];
  r->status = run_lenet(r->session, r->pixels, r->logits);
  memcpy(first, r->logits, sizeof first);
  for (int i = 0; i < 300 && r->status == APUS_OK; i++) {
    r->status = run_lenet(r->session, r->pixels, r->logits);
    if (memcmp(first, r->logits, sizeof first) != 0) r->status = -1;
  }
  return NULL;
}

static void run_two_sessions(apus_pool *pool) {
  apus_model *model = load_model("lenet");
  const int64_t extents[4] = {1, 1, 28, 28};
  static float pixels[2 * 784];
  float expected[2][10];
  fill_random(pixels, 2 * 784, 3);
  apus_session *alone = open_session(model, NULL, extents, 4);
  for (int i = 0; i < 2; i++) CHECK_OK(run_lenet(alone, pixels + i * 784, expected[i]));
  CHECK_OK(apus_session_destroy(alone, &error));
  runner runners[2];
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) {
    runners[i] = (runner){open_session(model, pool, extents, 4), pixels + i * 784, {0}, 0};
  }
  for (int i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, run_often, &runners[i]) == 0);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 2; i++) {
    CHECK(runners[i].status == APUS_OK);
    CHECK(memcmp(runners[i].logits, expected[i], sizeof expected[i]) == 0);
    CHECK_OK(apus_session_destroy(runners[i].session, &error));
  }
  apus_model_release(model);
}

static void two_sessions_run_one_model(void) { run_two_sessions(NULL); }

static void two_sessions_share_a_pool(void) {
  apus_pool *pool = make_pool(2);
  run_two_sessions(pool);
  apus_pool_release(pool);
}

static void sessions_keep_the_pool_and_the_model_alive(void) {
  apus_model *model = load_model("lenet");
  apus_pool *pool = make_pool(2);
  const int64_t extents[4] = {1, 1, 28, 28};
  static float pixels[784];
  float logits[10];
  apus_session *session = open_session(model, pool, extents, 4);
  apus_pool_release(pool);
  apus_model_release(model);
  CHECK_OK(run_lenet(session, pixels, logits));
  CHECK_OK(apus_session_destroy(session, &error));
}

// The results of LeNet on 64 images with a pool.
static void run_batch(apus_pool *pool, float *logits) {
  apus_model *model = load_model("lenet");
  const int64_t extents[4] = {64, 1, 28, 28};
  static float pixels[64 * 784];
  fill_random(pixels, 64 * 784, 5);
  apus_session *session = open_session(model, pool, extents, 4);
  CHECK_OK(apus_session_bind_input(session, 0, pixels, sizeof pixels, NULL, NULL, &error));
  CHECK_OK(apus_session_bind_output(session, 0, logits, 64 * 40, NULL, NULL, &error));
  for (int i = 0; i < 20; i++) CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void every_number_of_threads_gives_the_same_bits(void) {
  static float one[640], many[640];
  run_batch(NULL, one);
  for (uint32_t threads = 1; threads <= 5; threads++) {
    apus_pool *pool = make_pool(threads);
    memset(many, 0, sizeof many);
    run_batch(pool, many);
    apus_pool_release(pool);
    CHECK(memcmp(one, many, sizeof one) == 0);
  }
}

typedef struct host {
  _Atomic int calls;
  int backwards;
} host;

typedef struct host_part {
  void (*body)(void *context, int32_t index);
  void *context;
  int32_t index;
} host_part;

static void *run_part(void *user) {
  host_part *part = user;
  part->body(part->context, part->index);
  return NULL;
}

// Two threads of our own, or one after another from the last to the first.
static void host_run(void *user, int32_t count, void (*body)(void *context, int32_t index), void *context) {
  host *h = user;
  atomic_fetch_add(&h->calls, 1);
  if (h->backwards || count != 2) {
    for (int32_t i = count; i-- > 0;) body(context, i);
    return;
  }
  host_part part = {body, context, 1};
  pthread_t thread;
  const int started = pthread_create(&thread, NULL, run_part, &part) == 0;
  body(context, 0);
  if (started) {
    pthread_join(thread, NULL);
  } else {
    body(context, 1);
  }
}

static void the_hosts_threads_give_the_same_bits(void) {
  static float one[640], many[640];
  run_batch(NULL, one);
  for (int backwards = 0; backwards < 2; backwards++) {
    host h = {0, backwards};
    apus_parallel_for loop;
    apus_parallel_for_init(&loop, sizeof loop);
    loop.user = &h;
    loop.threads = 2;
    loop.run = host_run;
    apus_pool *pool;
    CHECK_OK(apus_pool_create_host(&loop, NULL, &pool, &error));
    memset(&loop, 0, sizeof loop);
    CHECK(apus_pool_threads(pool) == 2);
    memset(many, 0, sizeof many);
    run_batch(pool, many);
    apus_pool_release(pool);
    CHECK(h.calls > 0 && memcmp(one, many, sizeof one) == 0);
  }
}

static void wrong_hosts_are_refused(void) {
  apus_pool *pool;
  apus_parallel_for loop;
  apus_parallel_for_init(&loop, sizeof loop);
  loop.threads = 2;
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_pool_create_host(&loop, NULL, &pool, &error));
  loop.run = host_run;
  const uint32_t wrong[] = {0, 1025, UINT32_MAX};
  for (int i = 0; i < 3; i++) {
    loop.threads = wrong[i];
    CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, apus_pool_create_host(&loop, NULL, &pool, &error));
  }
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_pool_create_host(NULL, NULL, &pool, &error));
  CHECK_STATUS(APUS_ERROR_NULL_POINTER, apus_pool_create_host(&loop, NULL, NULL, &error));
  loop.struct_size = 8;
  CHECK_STATUS(APUS_ERROR_STRUCT_SIZE, apus_pool_create_host(&loop, NULL, &pool, &error));
}

// A session whose run takes seconds.
static apus_session *slow_session(apus_model *model, apus_pool *pool) {
  const int64_t extents[2] = {32768, 512};
  return open_session(model, pool, extents, 2);
}

static void *run_once(void *user) {
  runner *r = user;
  r->status = apus_session_run(r->session, NULL, NULL);
  return NULL;
}

// Cancels as soon as a run is seen; what other calls say meanwhile goes to `busy`.
static void cancel_while_running(runner *r, int32_t busy[3]) {
  uint32_t was_running = 0;
  while (was_running == 0) {
    const struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
    busy[0] = apus_session_destroy(r->session, NULL);
    busy[1] = apus_session_run(r->session, NULL, NULL);
    busy[2] = apus_session_reset(r->session, NULL);
    if (apus_session_cancel(r->session, &was_running, NULL) != APUS_OK) return;
  }
}

static void stop_from_another_thread(apus_pool *pool) {
  apus_model *model = load_model("slow");
  runner r = {slow_session(model, pool), NULL, {0}, 0};
  // Without a run it does nothing, then or later.
  uint32_t was_running = 7;
  CHECK_OK(apus_session_cancel(r.session, &was_running, &error));
  CHECK(was_running == 0);
  pthread_t thread;
  const uint64_t began = now();
  CHECK(pthread_create(&thread, NULL, run_once, &r) == 0);
  // Let the run begin before the calls that it has to refuse.
  const struct timespec pause = {0, 50000000};
  nanosleep(&pause, NULL);
  int32_t busy[3] = {0, 0, 0};
  cancel_while_running(&r, busy);
  pthread_join(thread, NULL);
  CHECK(now() - began < 5000000000u);
  CHECK(r.status == APUS_ERROR_CANCELLED);
  for (int i = 0; i < 3; i++) CHECK(busy[i] == APUS_ERROR_BUSY);
  CHECK_OK(apus_session_destroy(r.session, &error));
  apus_model_release(model);
}

static void a_run_is_cancelled_from_another_thread(void) { stop_from_another_thread(NULL); }

static void a_run_with_a_pool_is_cancelled(void) {
  apus_pool *pool = make_pool(2);
  stop_from_another_thread(pool);
  apus_pool_release(pool);
}

static void cancel_does_not_stick(void) {
  apus_model *model = load_model("lenet");
  const int64_t extents[4] = {1, 1, 28, 28};
  apus_session *session = open_session(model, NULL, extents, 4);
  for (int i = 0; i < 5; i++) {
    CHECK_OK(apus_session_cancel(session, NULL, &error));
    CHECK_OK(apus_session_run(session, NULL, &error));
  }
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void cancel_itself(void *user, int64_t done, int64_t total) {
  apus_session **session = user;
  if (done == 1 && total > 1) apus_session_cancel(*session, NULL, NULL);
}

static void progress_may_cancel(void) {
  apus_model *model = load_model("lenet");
  const int64_t extents[4] = {1, 1, 28, 28};
  const apus_shape shape = {extents, 4};
  apus_session *session;
  apus_session_options options;
  apus_session_options_init(&options, sizeof options);
  options.progress = cancel_itself;
  options.progress_user = &session;
  CHECK_OK(apus_session_create(model, &options, &session, &error));
  CHECK_OK(apus_session_prepare(session, &shape, 1, &error));
  CHECK_STATUS(APUS_ERROR_CANCELLED, apus_session_run(session, NULL, &error));
  CHECK(error.message[0]);
  CHECK_STATUS(APUS_ERROR_CANCELLED, apus_session_run(session, NULL, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void runs_end_at_their_timeout(void) {
  apus_model *model = load_model("slow");
  apus_session *session = slow_session(model, NULL);
  apus_run_options options;
  apus_run_options_init(&options, sizeof options);
  options.timeout = 30000000;
  const uint64_t began = now();
  CHECK_STATUS(APUS_ERROR_DEADLINE_EXCEEDED, apus_session_run(session, &options, &error));
  CHECK(now() - began >= options.timeout && error.message[0]);
  options.timeout = 1;
  CHECK_STATUS(APUS_ERROR_DEADLINE_EXCEEDED, apus_session_run(session, &options, &error));
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void a_stopped_run_leaves_states_alone(void) {
  apus_model *model = load_model("counter");
  apus_session *session;
  apus_run_options options;
  float x[4] = {1, 1, 1, 1}, negative[4];
  apus_run_options_init(&options, sizeof options);
  CHECK_OK(apus_session_create(model, NULL, &session, &error));
  CHECK_OK(apus_session_prepare(session, NULL, 0, &error));
  CHECK_OK(apus_session_bind_input(session, 0, x, sizeof x, NULL, NULL, &error));
  CHECK_OK(apus_session_bind_output(session, 1, negative, sizeof negative, NULL, NULL, &error));
  CHECK_OK(apus_session_run(session, NULL, &error));
  options.timeout = 1;
  CHECK_STATUS(APUS_ERROR_DEADLINE_EXCEEDED, apus_session_run(session, &options, &error));
  CHECK_OK(apus_session_run(session, NULL, &error));
  CHECK(negative[0] == -12);
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static void *load_often(void *user) {
  int *failed = user;
  for (int i = 0; i < 30; i++) {
    apus_model *model;
    apus_session *session;
    if (apus_model_load_path(model_path("affine"), NULL, &model, NULL) != APUS_OK) ++*failed;
    if (apus_session_create(model, NULL, &session, NULL) != APUS_OK) ++*failed;
    apus_model_release(model);
    if (apus_session_prepare(session, NULL, 0, NULL) != APUS_OK) ++*failed;
    if (apus_session_run(session, NULL, NULL) != APUS_OK) ++*failed;
    if (apus_session_destroy(session, NULL) != APUS_OK) ++*failed;
  }
  return NULL;
}

static void models_are_loaded_on_many_threads(void) {
  pthread_t threads[4];
  int failed[4] = {0};
  for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, load_often, &failed[i]) == 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 4; i++) CHECK(failed[i] == 0);
}

int main(int argc, char **argv) {
  static const test_case tests[] = {
      {"pools_say_how_many_threads", pools_say_how_many_threads},
      {"two_sessions_run_one_model", two_sessions_run_one_model},
      {"two_sessions_share_a_pool", two_sessions_share_a_pool},
      {"sessions_keep_the_pool_and_the_model_alive", sessions_keep_the_pool_and_the_model_alive},
      {"every_number_of_threads_gives_the_same_bits", every_number_of_threads_gives_the_same_bits},
      {"the_hosts_threads_give_the_same_bits", the_hosts_threads_give_the_same_bits},
      {"wrong_hosts_are_refused", wrong_hosts_are_refused},
      {"a_run_is_cancelled_from_another_thread", a_run_is_cancelled_from_another_thread},
      {"a_run_with_a_pool_is_cancelled", a_run_with_a_pool_is_cancelled},
      {"cancel_does_not_stick", cancel_does_not_stick},
      {"progress_may_cancel", progress_may_cancel},
      {"runs_end_at_their_timeout", runs_end_at_their_timeout},
      {"a_stopped_run_leaves_states_alone", a_stopped_run_leaves_states_alone},
      {"models_are_loaded_on_many_threads", models_are_loaded_on_many_threads},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
