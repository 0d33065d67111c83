// Tries hostile files in two processes: each must end in a status or, where the change was not sealed, the original's result,
// without a crash, a hang or a leak.
//
// usage: hardening MODEL.apus KIND [SEALED_COUNT]     all cases of a kind: flip, cut or sealed
//        hardening MODEL.apus KIND = NUMBER [FILE]    one case again, its file written to FILE

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"
#include "trial.h"

enum { WORKERS = 2, STATUS_GROUPS = 10, HANG_SECONDS = 30, POLL_MICROSECONDS = 20000, CLAIM = 16 };
static const uint64_t NOTHING = UINT64_MAX;

typedef struct worker_state {
  _Atomic uint64_t current;  // number of the case at work, or NOTHING
  _Atomic uint64_t finished;
  uint64_t good;                     // runs that ended with a result
  uint64_t statuses[STATUS_GROUPS];  // by hundreds
  uint64_t wrong;                    // first case with a wrong result, or NOTHING
  uint64_t leaking;                  // first case that did not give back its bulk memory, or NOTHING
} worker_state;

typedef struct shared_state {
  _Atomic uint64_t next;
  worker_state workers[WORKERS];
} shared_state;

static void fail(const char *message) {
  fprintf(stderr, "hardening: %s\n", message);
  exit(2);
}

static void read_file(const char *path, bytes *into) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    fail("can not read the model");
  }
  const long size = ftell(file);
  rewind(file);
  bytes_resize(into, size > 0 ? (size_t)size : 0);
  if (fread(into->data, 1, into->size, file) != into->size) {
    fail("can not read the model");
  }
  fclose(file);
}

// A copy of just the file's size: AddressSanitizer sees a read of one byte beyond.
static uint8_t *exact_copy(const bytes *file) {
  uint8_t *copy = malloc(file->size > 0 ? file->size : 1);
  if (copy == NULL) {
    fail("out of memory");
  }
  if (file->size > 0) {
    memcpy(copy, file->data, file->size);
  }
  return copy;
}

static void try_case(case_maker *maker, case_kind kind, uint64_t number, bytes *file, trial_result *result) {
  case_make(maker, kind, number, file);
  uint8_t *copy = exact_copy(file);
  trial_run(copy, file->size, result);
  free(copy);
}

static int equal(const trial_result *a, const trial_result *b) {
  return a->output_bytes == b->output_bytes && memcmp(a->output, b->output, a->output_bytes) == 0;
}

static void work(shared_state *shared, worker_state *me, case_maker *maker, case_kind kind, uint64_t count,
                 const trial_result *original) {
  bytes file = {0};
  trial_result *result = malloc(sizeof *result);
  if (result == NULL) {
    fail("out of memory");
  }
  for (;;) {
    const uint64_t first = atomic_fetch_add(&shared->next, CLAIM);
    if (first >= count) {
      break;
    }
    for (uint64_t number = first; number < first + CLAIM && number < count; number++) {
      atomic_store(&me->current, number);
      try_case(maker, kind, number, &file, result);
      if (result->status != 0) {
        me->statuses[result->status / 100 < STATUS_GROUPS ? result->status / 100 : 0]++;
      } else {
        me->good++;
        if (case_must_equal(kind) && !equal(result, original) && me->wrong == NOTHING) {
          me->wrong = number;
        }
      }
      if (result->leaked_bytes != 0 && me->leaking == NOTHING) {
        me->leaking = number;
      }
      atomic_fetch_add(&me->finished, 1);
    }
  }
  atomic_store(&me->current, NOTHING);
  free(result);
  bytes_free(&file);
}

// Waits for the workers; returns how many failed. A worker that stays at one case for too long is ended.
static int supervise(shared_state *shared, const pid_t *children, const char *model, const char *kind) {
  int failures = 0, alive = WORKERS;
  uint64_t seen[WORKERS], since[WORKERS] = {0};
  int running[WORKERS];
  for (int i = 0; i < WORKERS; i++) {
    seen[i] = NOTHING;
    running[i] = 1;
  }
  for (uint64_t tick = 0; alive > 0; tick++) {
    usleep(POLL_MICROSECONDS);
    for (int i = 0; i < WORKERS; i++) {
      if (!running[i]) {
        continue;
      }
      const uint64_t current = atomic_load(&shared->workers[i].current);
      int status = 0;
      if (waitpid(children[i], &status, WNOHANG) == children[i]) {
        running[i] = 0;
        alive--;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
          failures++;
          const int by_signal = WIFSIGNALED(status);
          fprintf(stderr, "hardening: a process ended by %s %d", by_signal ? "signal" : "exit code",
                  by_signal ? WTERMSIG(status) : WEXITSTATUS(status));
          if (current == NOTHING) {
            fprintf(stderr, " after its last case: a leak?\n");
          } else {
            fprintf(stderr, ": CRASH. Again: hardening %s %s = %llu\n", model, kind, (unsigned long long)current);
          }
        }
      } else if (current != seen[i]) {
        seen[i] = current;
        since[i] = tick;
      } else if ((tick - since[i]) * POLL_MICROSECONDS > (uint64_t)HANG_SECONDS * 1000000) {
        fprintf(stderr, "hardening: HANG of more than %d s. Again: hardening %s %s = %llu\n", HANG_SECONDS, model, kind,
                (unsigned long long)current);
        kill(children[i], SIGKILL);
        since[i] = tick;
      }
    }
  }
  return failures;
}

static int report(const shared_state *shared, const char *model, const char *kind, uint64_t count, double seconds) {
  static const char *const groups[STATUS_GROUPS] = {"other", "argument", "state", "resource", "file",
                                                    "model", "run",      "other", "other",    "internal"};
  uint64_t finished = 0, good = 0, statuses[STATUS_GROUPS] = {0};
  int failures = 0;
  for (int i = 0; i < WORKERS; i++) {
    const worker_state *w = &shared->workers[i];
    finished += atomic_load(&w->finished);
    good += w->good;
    for (int g = 0; g < STATUS_GROUPS; g++) {
      statuses[g] += w->statuses[g];
    }
    if (w->wrong != NOTHING) {
      failures++;
      fprintf(stderr, "hardening: WRONG RESULT. Again: hardening %s %s = %llu\n", model, kind, (unsigned long long)w->wrong);
    }
    if (w->leaking != NOTHING) {
      failures++;
      fprintf(stderr, "hardening: LEAK. Again: hardening %s %s = %llu\n", model, kind, (unsigned long long)w->leaking);
    }
  }
  printf("%s: %llu of %llu cases in %.1f s: %llu results", kind, (unsigned long long)finished, (unsigned long long)count,
         seconds, (unsigned long long)good);
  for (int g = 0; g < STATUS_GROUPS; g++) {
    if (statuses[g] > 0) {
      printf(", %llu %s statuses", (unsigned long long)statuses[g], groups[g]);
    }
  }
  printf("\n");
  if (statuses[9] > 0) {
    failures++;
    fprintf(stderr, "hardening: a hostile file is never an internal error\n");
  }
  return failures + (finished != count);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int all_cases(case_maker *maker, case_kind kind, uint64_t sealed, const trial_result *original, const char *model) {
  const uint64_t count = case_count(maker, kind, sealed);
  shared_state *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    fail("mmap");
  }
  const double began = now();
  fflush(NULL);
  pid_t children[WORKERS];
  for (int i = 0; i < WORKERS; i++) {
    worker_state *me = &shared->workers[i];
    me->current = me->wrong = me->leaking = NOTHING;
    children[i] = fork();
    if (children[i] < 0) {
      fail("fork");
    }
    if (children[i] == 0) {
      work(shared, me, maker, kind, count, original);
      exit(0);
    }
  }
  const char *name = case_kind_names[kind];
  int failures = supervise(shared, children, model, name);
  failures += report(shared, model, name, count, now() - began);
  return failures;
}

// Whether the good file works, taken as it is and sealed anew.
static int good_files_work(case_maker *maker, trial_result *original) {
  trial_result *resealed = malloc(sizeof *resealed);
  bytes file = {0};
  if (resealed == NULL) {
    fail("out of memory");
  }
  trial_run(maker->good, maker->good_size, original);
  case_make_resealed(maker, &file);
  trial_run(file.data, file.size, resealed);
  const int works = original->status == 0 && original->output_bytes > 0 && resealed->status == 0 && equal(original, resealed);
  if (!works) {
    fprintf(stderr, "hardening: the good file gives status %d, sealed anew %d\n", original->status, resealed->status);
  }
  bytes_free(&file);
  free(resealed);
  return works;
}

static int one_case(case_maker *maker, case_kind kind, uint64_t number, const char *path) {
  bytes file = {0};
  trial_result *result = malloc(sizeof *result);
  case_make(maker, kind, number, &file);
  if (path != NULL) {
    FILE *out = fopen(path, "wb");
    if (out == NULL || fwrite(file.data, 1, file.size, out) != file.size || fclose(out) != 0) {
      fail("can not write the case's file");
    }
  }
  try_case(maker, kind, number, &file, result);
  printf("status %d, %zu output bytes, %llu bytes leaked\n", result->status, result->output_bytes,
         (unsigned long long)result->leaked_bytes);
  free(result);
  bytes_free(&file);
  return 0;
}

int main(int argc, char **argv) {
  int kind = 0;
  while (argc >= 3 && kind < CASE_KINDS && strcmp(argv[2], case_kind_names[kind]) != 0) {
    kind++;
  }
  if (argc < 3 || kind == CASE_KINDS) {
    fail("usage: hardening MODEL.apus flip|cut|sealed [COUNT | = NUMBER [FILE]]");
  }
  bytes good = {0};
  read_file(argv[1], &good);
  case_maker maker;
  case_maker_init(&maker, good.data, good.size);
  int failures;
  if (argc >= 5 && strcmp(argv[3], "=") == 0) {
    failures = one_case(&maker, (case_kind)kind, strtoull(argv[4], NULL, 10), argc >= 6 ? argv[5] : NULL);
  } else {
    trial_result *original = malloc(sizeof *original);
    if (original == NULL || !good_files_work(&maker, original)) {
      return 2;
    }
    failures = all_cases(&maker, (case_kind)kind, argc >= 4 ? strtoull(argv[3], NULL, 10) : 100000, original, argv[1]);
    free(original);
  }
  case_maker_free(&maker);
  bytes_free(&good);
  return failures > 0 ? 1 : 0;
}
