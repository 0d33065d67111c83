// Measures the kernels of products and convolutions on one thread, beside what the machine gives at best.
//
// usage: kernels portable|avx2|avx512|best [TEXT]
//
// A line for each shape (whose name contains TEXT): the least time of many runs, operations and bytes of weights a second (of a
// depthwise convolution those of its pixels, too), and how near that is to the floor: the larger of the operations at the peak
// of the level's registers and of these bytes, read once from the cache level that holds them. Peak and bandwidths are measured
// in the same process.

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apusk_block_weights.h"
#include "apusk_conv.h"
#include "apusk_gemm_half.h"
#include "machine.h"

enum { LEAST_RUNS = 5, CACHES = 4, NAME_BYTES = 80 };

static const double SECONDS = 0.25;  // for each shape

typedef struct measurement {
  int32_t level;
  const char *wanted;  // a part of the names of the shapes that are measured
  double flops;
  size_t bytes[CACHES];
  double bandwidth[CACHES];
} measurement;

static void fail(const char *message) {
  fprintf(stderr, "kernels: %s\n", message);
  exit(1);
}

// Random numbers in [-1, 1).
static float *floats(size_t count) {
  float *data = aligned_alloc(64, (count * sizeof *data + 127) / 64 * 64);
  if (data == NULL) {
    fail("out of memory");
  }
  uint32_t state = 1;
  for (size_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    data[i] = (float)(int32_t)state * 0x1p-31f;
  }
  return data;
}

// Weights of so many bytes altogether leave every cache between two uses.
#define COLD_BYTES ((size_t)256 << 20)

// One of several weights that take turns: the runs' arguments, `copies` of them.
typedef struct turns {
  const apusk_plan *plan;
  const char *args;
  size_t args_bytes, copies;
} turns;

static void print_time(const measurement *m, const char *name, double operations, double weight_bytes, turns turns) {
  const apusk_plan *plan = turns.plan;
  apusp_worker worker = {.scratch = floats((size_t)plan->scratch_bytes / sizeof(float)), .scratch_size = plan->scratch_bytes};
  double least = 1e30, now = now_seconds();
  const double until = now + SECONDS;
  for (int run = 0; run < LEAST_RUNS || now < until; run++) {
    const double began = now_seconds();
    plan->kernel(turns.args + (size_t)run % turns.copies * turns.args_bytes, 0, plan->units, &worker);
    now = now_seconds();
    least = now - began < least ? now - began : least;
  }
  free(worker.scratch);
  int cache = turns.copies > 1 ? CACHES - 1 : 0;
  while (cache < CACHES - 1 && (double)m->bytes[cache] < weight_bytes) {
    cache++;
  }
  const double compute = operations / m->flops, read = weight_bytes / m->bandwidth[cache];
  printf("%-42s %10.1f us %7.1f GFLOP/s %7.1f GB/s  %3.0f %% of %s\n", name, 1e6 * least, 1e-9 * operations / least,
         1e-9 * weight_bytes / least, 100 * (compute > read ? compute : read) / least,
         compute > read ? "the peak" : "the bandwidth");
  fflush(stdout);
}

// `cold`: with weights that have left the caches, as those of a large model have. `type`: of the weights.
static void measure_product(const measurement *measurement, int64_t m, int64_t n, int64_t k, bool cold, int32_t type) {
  const char *types[] = {[APUSK_FLOAT32] = "", [APUSK_FLOAT16] = ", fp16", [APUSK_BFLOAT16] = ", bf16"};
  char name[NAME_BYTES];
  snprintf(name, sizeof name, "product %lld x %lld x %lld%s%s", (long long)m, (long long)n, (long long)k, types[type],
           cold ? ", cold" : "");
  if (strstr(name, measurement->wanted) == NULL) {
    return;
  }
  const apusk_gemm_kernels *kernels = apusk_gemm_kernels_for(measurement->level);
  const bool half = type != APUSK_FLOAT32;
  const size_t packed = (size_t)(half ? apusk_gemm_half_packed_bytes : apusk_gemm_packed_bytes)(kernels, k, n);
  const size_t copies = cold ? COLD_BYTES / packed + 1 : 1;
  float *a = floats((size_t)(m * k)), *c = floats((size_t)(m * n));
  float *b = floats(copies * packed / sizeof(float));  // packed or not, they are random
  uint16_t *elements = (uint16_t *)b;
  for (size_t i = 0; half && i < copies * packed / sizeof *elements; i++) {
    elements[i] = 0x3000 | (elements[i] & 0x83ff);  // small, of both signs
  }
  apusk_gemm_f32_args *args = calloc(copies, sizeof *args);
  if (args == NULL) {
    fail("out of memory");
  }
  apusk_plan plan;
  for (size_t i = 0; i < copies; i++) {
    args[i] = (apusk_gemm_f32_args){
        .a = a, .b = b + i * packed / sizeof(float), .c = c, .m = m, .n = n, .k = k, .a_row_stride = k, .a_k_stride = 1,
        .c_row_stride = n, .tail = apusk_tail_none(), .batches = 1, .half_type = half ? type : 0,
        .half = half ? elements + i * packed / sizeof *elements : NULL,
    };
    if (apusk_gemm_f32_plan(kernels, &args[i], &plan) != 0) {
      fail("apusk_gemm_f32_plan");
    }
  }
  print_time(measurement, name, 2.0 * (double)m * (double)n * (double)k, (half ? 2.0 : 4.0) * (double)k * (double)n,
             (turns){&plan, (const char *)args, sizeof *args, copies});
  free(a), free(b), free(c), free(args);
}

// One row by weights of 4 or 8 bits in blocks with a float16 scale each; the row is made digits before, once.
static void measure_blocks(const measurement *measurement, int64_t n, int64_t k, int32_t bits, int64_t block) {
  char name[NAME_BYTES];
  snprintf(name, sizeof name, "product 1 x %lld x %lld, int%d, blocks of %lld", (long long)n, (long long)k, bits,
           (long long)block);
  if (strstr(name, measurement->wanted) == NULL) {
    return;
  }
  apusk_block_weights weights = {
      .k = k, .n = n, .block = block, .bits = bits, .scale_type = APUSK_FLOAT16, .zero = 1 << (bits - 1)};
  const size_t q_bytes = (size_t)apusk_block_q_bytes(&weights), scale_bytes = (size_t)apusk_block_scale_bytes(&weights);
  float *a = floats((size_t)k), *c = floats((size_t)n), *q = floats(q_bytes / sizeof *q);
  float *scales = floats(scale_bytes / sizeof *scales);
  float *digits = floats((size_t)apusk_block_digits_bytes(&weights) / sizeof *digits);
  uint16_t *halves = (uint16_t *)scales;
  for (size_t i = 0; i < scale_bytes / sizeof *halves; i++) {
    halves[i] = 0x1000 | (halves[i] & 0x03ff);  // small
  }
  weights.q = (const uint8_t *)q;
  weights.scales = scales;
  const apusk_block_digits_args row = {.a = a, .a_row_stride = k, .rows = 1, .digits = digits, .weights = weights};
  apusk_block_product_args args = {
      .digits = digits, .rows = 1, .c = c, .c_row_stride = n, .tail = apusk_tail_none(), .weights = weights};
  apusk_plan first, plan;
  if (apusk_block_digits_plan(measurement->level, &row, &first) != 0 ||
      apusk_block_product_plan(measurement->level, &args, &plan) != 0) {
    fail("apusk_block_product_plan");
  }
  apusp_worker worker = {0};
  first.kernel(&row, 0, first.units, &worker);
  print_time(measurement, name, 2.0 * (double)n * (double)k, (double)(q_bytes + scale_bytes),
             (turns){&plan, (const char *)&args, sizeof args, 1});
  free(a), free(c), free(q), free(scales), free(digits);
}

// A convolution of an image of size x size pixels, padded so that stride 1 keeps its size. Depthwise where cin and groups are the
// same. `winograd`: the algorithm, as in apusk_conv2d_f32_args.
typedef struct convolution {
  int64_t size, cin, cout, kernel, stride, groups;
  int32_t winograd;
} convolution;

static void measure_convolution(const measurement *measurement, const convolution *c) {
  const int64_t out = (c->size + c->stride - 1) / c->stride;
  const bool is_depthwise = c->groups > 1 && c->groups == c->cin;
  const char *algorithms[] = {"convolution", [APUSK_WINOGRAD_2] = "Winograd F(2x2)", [APUSK_WINOGRAD_4] = "Winograd F(4x4)",
                              [APUSK_WINOGRAD_6] = "Winograd F(6x6)"};
  char name[NAME_BYTES];
  snprintf(name, sizeof name, "%s %lldx%lld/%lld, %lld to %lld, on %lldx%lld",
           is_depthwise ? "depthwise" : algorithms[c->winograd], (long long)c->kernel, (long long)c->kernel,
           (long long)c->stride, (long long)c->cin, (long long)c->cout, (long long)out, (long long)out);
  if (strstr(name, measurement->wanted) == NULL) {
    return;
  }
  const apusk_conv_kernels *kernels = apusk_conv_kernels_for(measurement->level);
  const size_t weight_count = (size_t)(c->cout * (c->cin / c->groups) * c->kernel * c->kernel);
  const size_t input_count = (size_t)(c->size * c->size * c->cin), output_count = (size_t)(out * out * c->cout);
  float *x = floats(input_count), *y = floats(output_count), *weights = floats(weight_count), *bias = floats((size_t)c->cout);
  apusk_conv2d_f32_args args = {
      .x = x, .y = y, .batch = 1, .ih = c->size, .iw = c->size, .cin = c->cin, .oh = out, .ow = out, .cout = c->cout,
      .groups = c->groups, .kh = c->kernel, .kw = c->kernel, .stride_h = c->stride, .stride_w = c->stride,
      .dilation_h = 1, .dilation_w = 1, .pad_top = c->kernel / 2, .pad_left = c->kernel / 2, .x_pixel_stride = c->cin,
      .y_pixel_stride = c->cout, .winograd = c->winograd, .tail = apusk_tail_none(),
  };
  args.tail.bias = bias;
  args.tail.activation = APUSK_ACTIVATION_RELU;
  float *packed = floats((size_t)apusk_conv2d_f32_packed_bytes(kernels, &args) / sizeof(float));
  apusk_conv2d_f32_pack(kernels, &args, weights, packed);
  args.w = packed;
  apusk_plan plan;
  if (apusk_conv2d_f32_plan(kernels, &args, &plan) != 0) {
    fail("apusk_conv2d_f32_plan");
  }
  // Of a depthwise one the pixels are more than the weights, and each is used a few times only.
  const size_t bytes = sizeof(float) * (weight_count + (is_depthwise ? input_count + output_count : 0));
  print_time(measurement, name, 2.0 * (double)(out * out) * (double)weight_count, (double)bytes,
             (turns){&plan, (const char *)&args, sizeof args, 1});
  free(x), free(y), free(weights), free(bias), free(packed);
}

// To the highest-numbered CPU: interrupts tend to arrive at the first.
static void pin(void) {
  cpu_set_t allowed, chosen;
  CPU_ZERO(&chosen);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    return;
  }
  int cpu = CPU_SETSIZE - 1;
  while (cpu > 0 && !CPU_ISSET(cpu, &allowed)) {
    cpu--;
  }
  CPU_SET(cpu, &chosen);
  sched_setaffinity(0, sizeof chosen, &chosen);
}

#define EACH(shape, table) for (size_t shape = 0; shape < sizeof table / sizeof *table; shape++)

int main(int argc, char **argv) {
  static const char *const levels[] = {[APUSK_LEVEL_PORTABLE] = "portable", [APUSK_LEVEL_AVX2] = "avx2",
                                       [APUSK_LEVEL_AVX512] = "avx512"};
  static const int lanes[] = {[APUSK_LEVEL_PORTABLE] = 4, [APUSK_LEVEL_AVX2] = 8, [APUSK_LEVEL_AVX512] = 16};
  int32_t level = APUSK_LEVEL_AVX512;
  while (lanes[level] > widest_lanes()) {
    level--;
  }
  const char *chosen = argc > 1 ? argv[1] : "";
  while (level >= 0 && strcmp(chosen, "best") != 0 && strcmp(chosen, levels[level]) != 0) {
    level--;
  }
  if (level < 0 || argc > 3) {
    fail("usage: kernels portable|avx2|avx512|best [TEXT], a level that this CPU has");
  }
  pin();
  measurement m = {.level = level, .wanted = argc > 2 ? argv[2] : "", .flops = peak_flops(lanes[level]),
                   .bytes = {16 << 10, 1 << 20, 16 << 20, 256 << 20}};
  printf("%s: peak (%s) %.1f GFLOP/s; reading", levels[level], peak_name(lanes[level]), 1e-9 * m.flops);
  for (int i = 0; i < CACHES; i++) {
    m.bandwidth[i] = read_bandwidth(m.bytes[i]);
    printf("%s %zu KiB %.1f GB/s", i > 0 ? "," : "", m.bytes[i] >> 10, 1e-9 * m.bandwidth[i]);
  }
  printf("\n");
  static const int64_t products[][3] = {
      // cubes
      {64, 64, 64}, {128, 128, 128}, {256, 256, 256}, {512, 512, 512}, {1024, 1024, 1024},
      // few rows
      {3, 1024, 1024}, {4, 1024, 1024}, {8, 1024, 1024}, {14, 1024, 1024}, {28, 1024, 1024}, {128, 1024, 1024},
      // narrow, shallow, and those of attention and transformers
      {1024, 8, 256}, {1024, 24, 256}, {1024, 48, 256}, {1024, 256, 16}, {1024, 256, 32}, {1024, 256, 64},
      {197, 197, 64}, {197, 64, 197}, {197, 768, 768},
      {384, 384, 1536}, {384, 1536, 384}, {1000, 1000, 1000},
      // a vector, or two, and weights from L2, L3 and memory
      {1, 512, 512}, {1, 1024, 4096}, {1, 8192, 8192}, {2, 512, 512}, {2, 1024, 4096}, {2, 8192, 8192},
  };
  EACH(i, products) measure_product(&m, products[i][0], products[i][1], products[i][2], false, APUSK_FLOAT32);
  static const int64_t cold[][3] = {{1, 1024, 1024}, {4, 1024, 1024}, {8, 1024, 1024},  {14, 1024, 1024},
                                    {32, 384, 384},  {32, 1536, 384}, {32, 384, 1536}, {49, 512, 4608}, {128, 384, 1536}};
  EACH(i, cold) measure_product(&m, cold[i][0], cold[i][1], cold[i][2], true, APUSK_FLOAT32);
  // Weights of 16 bits: from L2, L3 and memory.
  static const int64_t halves[][3] = {{1, 512, 512}, {1, 1024, 4096}, {1, 8192, 8192}, {2, 8192, 8192}, {4, 8192, 8192},
                                      {8, 8192, 8192}};
  EACH(i, halves) {
    measure_product(&m, halves[i][0], halves[i][1], halves[i][2], false, APUSK_FLOAT16);
    measure_product(&m, halves[i][0], halves[i][1], halves[i][2], false, APUSK_BFLOAT16);
  }
  // Weights of 8 and 4 bits, 64 MB of them.
  measure_blocks(&m, 8192, 8192, 8, 128);
  measure_blocks(&m, 8192, 8192, 8, 32);
  measure_blocks(&m, 16384, 8192, 4, 128);
  measure_blocks(&m, 16384, 8192, 4, 32);
  static const convolution convolutions[] = {
      // ResNet-50's
      {224, 3, 64, 7, 2, 1, 0},   {56, 64, 64, 1, 1, 1, 0},    {56, 64, 64, 3, 1, 1, 0},    {56, 64, 256, 1, 1, 1, 0},
      {56, 256, 64, 1, 1, 1, 0},  {56, 256, 128, 1, 1, 1, 0},  {56, 128, 128, 3, 2, 1, 0},  {28, 128, 512, 1, 1, 1, 0},
      {56, 256, 512, 1, 2, 1, 0}, {28, 512, 128, 1, 1, 1, 0},  {28, 128, 128, 3, 1, 1, 0},  {28, 256, 256, 3, 2, 1, 0},
      {14, 256, 1024, 1, 1, 1, 0}, {28, 512, 1024, 1, 2, 1, 0}, {14, 1024, 256, 1, 1, 1, 0}, {14, 256, 256, 3, 1, 1, 0},
      {14, 512, 512, 3, 2, 1, 0}, {7, 512, 2048, 1, 1, 1, 0},  {14, 1024, 2048, 1, 2, 1, 0}, {7, 2048, 512, 1, 1, 1, 0},
      {7, 512, 512, 3, 1, 1, 0},
      // its 3x3 ones by Winograd's algorithms: the operations counted are those of the direct sum
      {56, 64, 64, 3, 1, 1, 2},   {56, 64, 64, 3, 1, 1, 4},    {28, 128, 128, 3, 1, 1, 2},  {28, 128, 128, 3, 1, 1, 4},
      {14, 256, 256, 3, 1, 1, 2}, {14, 256, 256, 3, 1, 1, 4},  {7, 512, 512, 3, 1, 1, 2},   {7, 512, 512, 3, 1, 1, 4},
      {56, 64, 64, 3, 1, 1, 6},   {28, 128, 128, 3, 1, 1, 6},  {14, 256, 256, 3, 1, 1, 6},
      // MobileNetV2's and EfficientNet's
      {224, 3, 32, 3, 2, 1, 0},   {112, 32, 32, 3, 1, 32, 0},  {112, 96, 96, 3, 2, 96, 0},  {56, 144, 144, 3, 1, 144, 0},
      {28, 192, 192, 3, 1, 192, 0}, {14, 576, 576, 3, 1, 576, 0}, {14, 576, 576, 3, 2, 576, 0}, {7, 960, 960, 3, 1, 960, 0},
      {56, 144, 144, 5, 2, 144, 0}, {28, 240, 240, 5, 1, 240, 0}, {14, 672, 672, 5, 1, 672, 0}, {14, 672, 672, 5, 2, 672, 0},
      {7, 1152, 1152, 5, 1, 1152, 0},
  };
  EACH(i, convolutions) measure_convolution(&m, &convolutions[i]);
  return 0;
}
