/* Classifies images with a model: reads IDX files (the format of MNIST and Fashion-MNIST), runs every image, prints the accuracy,
 * and compares the logits with those of another implementation.
 *
 *   cc -std=c11 -O2 classify.c $(pkg-config --cflags --libs apus) -lm -o classify
 *   gzip -dc t10k-images-idx3-ubyte.gz > images.idx
 *   gzip -dc t10k-labels-idx1-ubyte.gz > labels.idx
 *   ./classify lenet.apus images.idx labels.idx
 *
 * usage: classify MODEL IMAGES LABELS [LOGITS] [--threads N] [--batch N] [--reference FILE]
 *   LOGITS       where to write all logits: float32, [images, classes]
 *   --threads    threads of the pool; 0: as many as this process may use (default 1)
 *   --batch      images of a run (default 1)
 *   --reference  logits to compare with: .npy (float32, [images, classes], C order) or the raw floats
 *
 * Pixels are scaled to 0...1, which is what the model was trained with. Exit code: 0; 1 where something failed, where a logit
 * differs from the reference's by 1e-4 or more, or a class without a tie (the two logits within 1e-4). */
#include <apus.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIE 1e-4f

static void fail(const char *what, const char *detail) {
  fprintf(stderr, "classify: %s: %s\n", what, detail);
  exit(1);
}

/* Ends the program with all that Apus knows about a failure. */
static void check(int32_t status, const apus_error *error) {
  char line[2048];
  if (status == APUS_OK) return;
  apus_error_format(error, line, sizeof line);
  fail(apus_status_name(status), line);
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) fail("out of memory", "");
  return memory;
}

/* ------------------------------------------------------------ files */

typedef struct bytes {
  unsigned char *data;
  size_t size;
} bytes;

static bytes read_file(const char *path) {
  bytes file = {NULL, 0};
  size_t capacity = 1 << 20, got;
  FILE *stream = fopen(path, "rb");
  if (stream == NULL) fail("can not open", path);
  file.data = allocate(capacity, 1);
  while ((got = fread(file.data + file.size, 1, capacity - file.size, stream)) > 0) {
    file.size += got;
    if (file.size == capacity) {
      unsigned char *larger = realloc(file.data, capacity *= 2);
      if (larger == NULL) fail("out of memory", path);
      file.data = larger;
    }
  }
  if (ferror(stream)) fail("can not read", path);
  fclose(stream);
  return file;
}

static uint32_t big_endian(const unsigned char *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* IDX: 0, 0, type (8: bytes), rank; the extents, big-endian; the elements. */
typedef struct idx {
  bytes file;
  const unsigned char *elements;
  uint64_t count;        /* first extent */
  uint64_t element_size; /* product of the others */
  int64_t extents[4];
} idx;

static idx read_idx(const char *path, int rank) {
  idx array;
  uint64_t total;
  array.file = read_file(path);
  const unsigned char *head = array.file.data;
  const size_t start = 4 + 4 * (size_t)rank;
  if (array.file.size < start || head[0] != 0 || head[1] != 0 || head[2] != 8 || head[3] != rank) {
    fail("not an uncompressed IDX file of bytes with the right rank", path);
  }
  array.element_size = 1;
  for (int axis = 0; axis < rank; axis++) {
    array.extents[axis] = big_endian(head + 4 + 4 * axis);
    if (axis > 0) array.element_size *= (uint64_t)array.extents[axis];
  }
  array.count = (uint64_t)array.extents[0];
  array.elements = head + start;
  total = array.file.size - start;
  if (array.element_size == 0 || total / array.element_size < array.count) fail("the IDX file is cut short", path);
  return array;
}

/* The floats of a file of logits; those of a .npy begin behind its header, whose length it states. */
static const float *read_logits(const char *path, size_t count) {
  bytes file = read_file(path);
  size_t start = 0;
  if (file.size >= 10 && memcmp(file.data, "\x93NUMPY\x01\x00", 8) == 0) {
    start = 10 + ((size_t)file.data[9] << 8 | file.data[8]);
    if (start > file.size) fail("the .npy header is cut short", path);
    file.data[start - 1] = '\0';
    if (strstr((const char *)file.data + 10, "'<f4'") == NULL ||
        strstr((const char *)file.data + 10, "'fortran_order': False") == NULL) {
      fail("not a .npy of float32 in C order", path);
    }
  }
  if (file.size - start != count * sizeof(float)) fail("the reference has another number of logits", path);
  float *logits = allocate(count, sizeof(float));
  memcpy(logits, file.data + start, count * sizeof(float));
  free(file.data);
  return logits;
}

/* ------------------------------------------------------------ results */

static size_t best(const float *logits, size_t classes) {
  size_t index = 0;
  for (size_t i = 1; i < classes; i++) {
    if (logits[i] > logits[index]) index = i;
  }
  return index;
}

/* Returns whether all classes agree, ties excepted. */
static bool compare(const float *ours, const float *reference, size_t images, size_t classes) {
  size_t same = 0, ties = 0;
  float largest = 0;
  for (size_t image = 0; image < images; image++) {
    const float *a = ours + image * classes, *b = reference + image * classes;
    const size_t class_a = best(a, classes), class_b = best(b, classes);
    if (class_a == class_b) {
      same++;
    } else if (fabsf(b[class_b] - b[class_a]) < TIE) {
      ties++;
    }
    for (size_t i = 0; i < classes; i++) {
      const float difference = fabsf(a[i] - b[i]);
      if (!(difference <= largest)) largest = difference; /* a NaN stays */
    }
  }
  printf("same class as the reference: %zu of %zu; differing ties: %zu; differing otherwise: %zu\n", same, images, ties,
         images - same - ties);
  printf("largest logit difference: %g\n", (double)largest);
  return same + ties == images && largest < TIE;
}

/* ------------------------------------------------------------ arguments */

typedef struct arguments {
  const char *positional[4]; /* model, images, labels, logits */
  const char *reference;
  uint32_t threads;
  uint64_t batch;
} arguments;

static uint32_t number(const char *text, uint32_t least) {
  char *end;
  const unsigned long value = strtoul(text, &end, 10);
  if (end == text || *end != '\0' || value < least || value > 65536) fail("not a sensible number", text);
  return (uint32_t)value;
}

static arguments parse(int argc, char **argv) {
  arguments all = {{NULL, NULL, NULL, NULL}, NULL, 1, 1};
  int count = 0;
  for (int i = 1; i < argc; i++) {
    const bool has_value = i + 1 < argc;
    if (strcmp(argv[i], "--threads") == 0 && has_value) {
      all.threads = number(argv[++i], 0);
    } else if (strcmp(argv[i], "--batch") == 0 && has_value) {
      all.batch = number(argv[++i], 1);
    } else if (strcmp(argv[i], "--reference") == 0 && has_value) {
      all.reference = argv[++i];
    } else if (argv[i][0] != '-' && count < 4) {
      all.positional[count++] = argv[i];
    } else {
      count = 0;
      break;
    }
  }
  if (count < 3) {
    fprintf(stderr, "usage: classify MODEL IMAGES LABELS [LOGITS] [--threads N] [--batch N] [--reference FILE]\n");
    exit(1);
  }
  return all;
}

/* ------------------------------------------------------------ the model */

int main(int argc, char **argv) {
  const arguments options = parse(argc, argv);
  const idx images = read_idx(options.positional[1], 3);
  const idx labels = read_idx(options.positional[2], 1);
  if (labels.count != images.count) fail("not as many labels as images", options.positional[2]);

  apus_error error;
  apus_model *model;
  check(apus_model_load_path(options.positional[0], NULL, &model, &error), &error);

  apus_pool *pool = NULL;
  if (options.threads != 1) {
    apus_pool_options pool_options;
    apus_pool_options_init(&pool_options, sizeof pool_options);
    pool_options.threads = options.threads;
    check(apus_pool_create(&pool_options, &pool, &error), &error);
  }
  apus_session_options session_options;
  apus_session_options_init(&session_options, sizeof session_options);
  session_options.pool = pool;
  apus_session *session;
  check(apus_session_create(model, &session_options, &session, &error), &error);

  float *logits = NULL;
  size_t classes = 0, correct = 0;
  uint64_t prepared = 0;
  for (uint64_t first = 0; first < images.count; first += prepared) {
    /* The last batch may be smaller: prepare again. */
    const uint64_t rest = images.count - first, batch = rest < options.batch ? rest : options.batch;
    if (batch != prepared) {
      const int64_t extents[4] = {(int64_t)batch, 1, images.extents[1], images.extents[2]};
      const apus_shape shape = {extents, 4};
      uint64_t size;
      check(apus_session_prepare(session, &shape, 1, &error), &error);
      check(apus_session_output_size(session, 0, &size, &error), &error);
      if (logits == NULL) {
        classes = (size_t)(size / sizeof(float) / batch);
        if (classes == 0) fail("the model has no logits", options.positional[0]);
        logits = allocate((size_t)images.count * classes, sizeof(float));
      }
      prepared = batch;
    }

    void *input;
    check(apus_session_input_buffer(session, 0, &input, NULL, &error), &error);
    float *pixels = input;
    const unsigned char *source = images.elements + first * images.element_size;
    for (uint64_t i = 0; i < batch * images.element_size; i++) pixels[i] = (float)source[i] / 255.0f;

    /* The run writes straight to its place among all logits. */
    float *target = logits + first * classes;
    check(apus_session_bind_output(session, 0, target, batch * classes * sizeof(float), NULL, NULL, &error), &error);
    check(apus_session_run(session, NULL, &error), &error);
    for (uint64_t i = 0; i < batch; i++) correct += best(target + i * classes, classes) == labels.elements[first + i];
  }
  printf("accuracy: %.4f (%zu of %llu)\n", images.count > 0 ? (double)correct / (double)images.count : 0, correct,
         (unsigned long long)images.count);

  if (options.positional[3] != NULL) {
    FILE *file = fopen(options.positional[3], "wb");
    const size_t count = (size_t)images.count * classes;
    if (file == NULL || fwrite(logits, sizeof(float), count, file) != count || fclose(file) != 0) {
      fail("can not write", options.positional[3]);
    }
  }
  bool agrees = true;
  if (options.reference != NULL) {
    const float *reference = read_logits(options.reference, (size_t)images.count * classes);
    agrees = compare(logits, reference, (size_t)images.count, classes);
    free((void *)reference);
  }

  check(apus_session_destroy(session, &error), &error);
  apus_pool_release(pool);
  apus_model_release(model);
  free(logits);
  free(images.file.data);
  free(labels.file.data);
  return agrees ? 0 : 1;
}
