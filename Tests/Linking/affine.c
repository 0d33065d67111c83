/* Runs the model y = 2 x + 1 of Tests/Models over [2, 3]. C and C++ compilers take this file.
 * With -DOWN_ZSTD the program also uses a zstd of its own, before, while and after Apus uses the one inside. */
#include <stdio.h>
#include <string.h>

#include <apus.h>

#ifdef OWN_ZSTD
#include <zstd.h>

static int own_zstd_works(void) {
  const char text[] = "a text, a text, a text, a text, a text, a text, a text";
  char packed[256], unpacked[256];
  size_t size = ZSTD_compress(packed, sizeof packed, text, sizeof text, 3);
  size_t back = ZSTD_isError(size) ? size : ZSTD_decompress(unpacked, sizeof unpacked, packed, size);
  return back == sizeof text && memcmp(text, unpacked, sizeof text) == 0;
}
#else
static int own_zstd_works(void) { return 1; }
#endif

static apus_error error;

static int failed(const char *what, int32_t status) {
  char line[1024];
  if (status == APUS_OK) return 0;
  apus_error_format(&error, line, sizeof line);
  fprintf(stderr, "%s: %s: %s\n", what, apus_status_name(status), line);
  return 1;
}

int main(int argc, char **argv) {
  apus_model *model = NULL;
  apus_pool *pool = NULL;
  apus_session *session = NULL;
  apus_pool_options pool_options;
  apus_session_options session_options;
  void *input = NULL;
  const void *output = NULL;
  float x[6], y[6];
  int i;
  if (argc != 2 || !own_zstd_works()) return 2;

  if (failed("load", apus_model_load_path(argv[1], NULL, &model, &error))) return 1;
  apus_pool_options_init(&pool_options, sizeof pool_options);
  pool_options.threads = 2;
  if (failed("pool", apus_pool_create(&pool_options, &pool, &error))) return 1;
  apus_session_options_init(&session_options, sizeof session_options);
  session_options.pool = pool;
  if (failed("session", apus_session_create(model, &session_options, &session, &error))) return 1;
  if (failed("prepare", apus_session_prepare(session, NULL, 0, &error))) return 1;
  if (failed("input", apus_session_input_buffer(session, 0, &input, NULL, &error))) return 1;
  for (i = 0; i < 6; i++) x[i] = (float)i;
  memcpy(input, x, sizeof x);
  if (failed("run", apus_session_run(session, NULL, &error))) return 1;
  if (failed("output", apus_session_output_buffer(session, 0, &output, NULL, &error))) return 1;
  memcpy(y, output, sizeof y);
  for (i = 0; i < 6; i++) {
    if (y[i] != 2 * x[i] + 1) {
      fprintf(stderr, "y[%d] is %g\n", i, (double)y[i]);
      return 1;
    }
  }
  if (failed("destroy", apus_session_destroy(session, &error))) return 1;
  apus_pool_release(pool);
  apus_model_release(model);
  if (!own_zstd_works()) return 3;
  printf("y = 2 x + 1, Apus %s\n", apus_version_string());
  return 0;
}
