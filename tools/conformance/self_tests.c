/* Runs the test vectors of model files through libapus: a path a line on standard input. Answers each with one line: `begin`
 * before it, then `passed COUNT` of vectors, `unsupported MESSAGE` or `failed MESSAGE`. Exit code 1 only for what is not a
 * model's fault. */
#include <apus.h>
#include <stdio.h>
#include <string.h>

static void answer(const char *word, const apus_error *error) {
  char line[2048];
  apus_error_format(error, line, sizeof line);
  for (char *c = line; *c != 0; c++) {
    if (*c == '\n') *c = ' ';
  }
  printf("%s %s\n", word, line);
}

int main(void) {
  char path[4096];
  while (fgets(path, sizeof path, stdin) != NULL) {
    path[strcspn(path, "\n")] = 0;
    printf("begin\n");
    fflush(stdout);
    apus_error error;
    apus_model *model = NULL;
    apus_self_test_info info;
    apus_self_test_info_init(&info, sizeof info);
    int32_t status = apus_model_load_path(path, NULL, &model, &error);
    if (status == APUS_OK) status = apus_model_self_test(model, NULL, &info, &error);
    if (status == APUS_OK) {
      printf("passed %u\n", info.vector_count);
    } else {
      answer(status == APUS_ERROR_UNSUPPORTED_OPERATOR ? "unsupported" : "failed", &error);
    }
    fflush(stdout);
    if (model != NULL) apus_model_release(model);
  }
  return ferror(stdin) ? 1 : 0;
}
