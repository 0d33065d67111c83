// The caller's floating-point mode neither changes a result nor is changed.
#include <math.h>
#include <xmmintrin.h>

#include "check.h"

enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040, ROUNDING = 0x6000, FLAGS = 0x3F };

typedef struct kept {
  unsigned int mode;
  int wrong;
} kept;

// Runs a model of floats in every mode and compares with the run in the mode that programs start with.
static void run_in_modes(const char *name, const int64_t *extents, uint64_t rank, apus_pool *pool, float scale) {
  static float input[8 * 784], expected[4096], actual[4096];
  apus_model *model = load_model(name);
  apus_session *session = open_session(model, pool, extents, rank);
  uint64_t size;
  CHECK_OK(apus_session_output_size(session, 0, &size, &error));
  CHECK(size <= sizeof expected);
  fill_random(input, 8 * 784, 1);
  for (int i = 0; i < 8 * 784; i++) input[i] *= scale;
  CHECK_OK(apus_session_bind_input(session, 0, input, sizeof input, NULL, NULL, &error));
  CHECK_OK(apus_session_bind_output(session, 0, expected, sizeof expected, NULL, NULL, &error));
  CHECK_OK(apus_session_run(session, NULL, &error));
  int denormals = 0;
  for (uint64_t i = 0; i < size / 4; i++) denormals += fpclassify(expected[i]) == FP_SUBNORMAL;
  CHECK((scale < 1e-30f) == (denormals > 0));
  CHECK_OK(apus_session_bind_output(session, 0, actual, sizeof actual, NULL, NULL, &error));
  const unsigned int before = _mm_getcsr();
  const unsigned int modes[] = {FLUSH_TO_ZERO, DENORMALS_ARE_ZERO, FLUSH_TO_ZERO | DENORMALS_ARE_ZERO, 0x2000, 0x4000, 0x6000};
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    const unsigned int mode = (before & ~(unsigned)(ROUNDING | FLAGS)) | modes[i];
    memset(actual, 0, sizeof actual);
    _mm_setcsr(mode);
    const int32_t status = apus_session_run(session, NULL, NULL);
    const unsigned int after = _mm_getcsr();
    _mm_setcsr(before);
    CHECK(status == APUS_OK);
    CHECK(after == mode);
    CHECK(memcmp(expected, actual, size) == 0);
  }
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

static const int64_t images[4] = {8, 1, 28, 28}, rows[2] = {4, 512};

static void lenet_on_one_thread(void) { run_in_modes("lenet", images, 4, NULL, 1); }

// Products of numbers so small that their sums are denormal.
static void denormals_on_one_thread(void) { run_in_modes("slow", rows, 2, NULL, 1e-38f); }

static void two_threads(void) {
  apus_pool_options options;
  apus_pool_options_init(&options, sizeof options);
  options.threads = 2;
  apus_pool *pool;
  CHECK_OK(apus_pool_create(&options, &pool, &error));
  run_in_modes("lenet", images, 4, pool, 1);
  run_in_modes("slow", rows, 2, pool, 1e-38f);
  apus_pool_release(pool);
}

// The mode in which the caller's callback runs is the kernels'.
static void on_progress(void *user, int64_t done, int64_t total) {
  kept *k = user;
  (void)done;
  (void)total;
  const unsigned int mode = _mm_getcsr();
  if ((mode & (FLUSH_TO_ZERO | DENORMALS_ARE_ZERO | ROUNDING)) != 0) k->wrong++;
  k->mode = mode;
}

static void callbacks_run_in_the_kernels_mode(void) {
  apus_model *model = load_model("affine");
  apus_session *session;
  kept k = {1, 0};
  apus_session_options options;
  apus_session_options_init(&options, sizeof options);
  options.progress = on_progress;
  options.progress_user = &k;
  CHECK_OK(apus_session_create(model, &options, &session, &error));
  CHECK_OK(apus_session_prepare(session, NULL, 0, &error));
  const unsigned int before = _mm_getcsr();
  _mm_setcsr(before | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
  const int32_t status = apus_session_run(session, NULL, NULL);
  _mm_setcsr(before);
  CHECK(status == APUS_OK && k.mode != 1 && k.wrong == 0);
  CHECK_OK(apus_session_destroy(session, &error));
  apus_model_release(model);
}

int main(int argc, char **argv) {
  static const test_case tests[] = {
      {"lenet_on_one_thread", lenet_on_one_thread},
      {"denormals_on_one_thread", denormals_on_one_thread},
      {"two_threads", two_threads},
      {"callbacks_run_in_the_kernels_mode", callbacks_run_in_the_kernels_mode},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
