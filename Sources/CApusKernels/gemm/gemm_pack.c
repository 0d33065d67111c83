// Packing of B into panels.
#include <string.h>

#include "gemm_entry.h"

int64_t apusk_gemm_packed_bytes(const apusk_gemm_kernels *kernels, int64_t k, int64_t n) {
  if (k < 0 || n < 0) return -1;
  if (k == 0 || n == 0) return 0;
  int64_t last = apusk_gemm_panels(n, kernels->nr) - 1;
  int64_t columns, bytes;
  if (__builtin_add_overflow(last * kernels->nr, (int64_t)apusk_gemm_panel_width(n, last, kernels->nr), &columns) ||
      __builtin_mul_overflow(columns, k, &bytes) || __builtin_mul_overflow(bytes, (int64_t)sizeof(float), &bytes) ||
      bytes > INT64_MAX - 63) {
    return -1;
  }
  return (bytes + 63) & ~(int64_t)63;
}

static void pack_panel(const float *source, int64_t stride_k, int64_t stride_n, int64_t k, int64_t columns,
                       int32_t width, float *packed) {
  if (stride_n == 1) {
    for (int64_t p = 0; p < k; p++) {
      float *row = packed + p * width;
      memcpy(row, source + p * stride_k, sizeof(float) * (size_t)columns);
      memset(row + columns, 0, sizeof(float) * (size_t)(width - columns));
    }
    return;
  }
  // Along k in strips, so that the lines of `packed` under a strip are still in the cache for the next column.
  const int64_t strip = 64;
  for (int64_t p0 = 0; p0 < k; p0 += strip) {
    int64_t p1 = k - p0 < strip ? k : p0 + strip;
    for (int64_t j = 0; j < width; j++) {
      const float *column = source + j * stride_n;
      for (int64_t p = p0; p < p1; p++) packed[p * width + j] = j < columns ? column[p * stride_k] : 0.0f;
    }
  }
}

static void pack_panels(int32_t nr, const float *source, int64_t stride_k, int64_t stride_n, int64_t k, int64_t n,
                        int64_t first, int64_t end, float *packed) {
  for (int64_t panel = first; panel < end; panel++) {
    int64_t column = panel * nr;
    int64_t columns = n - column < nr ? n - column : nr;
    pack_panel(source + column * stride_n, stride_k, stride_n, k, columns, apusk_gemm_panel_width(n, panel, nr),
               packed + column * k);
  }
}

void apusk_gemm_pack_b_f32(const apusk_gemm_kernels *kernels, const float *source, int64_t stride_k, int64_t stride_n,
                           int64_t k, int64_t n, float *packed) {
  if (k <= 0 || n <= 0) return;
  pack_panels(kernels->nr, source, stride_k, stride_n, k, n, 0, apusk_gemm_panels(n, kernels->nr), packed);
}

int32_t apusk_gemm_pack_b_f32_plan(const apusk_gemm_kernels *kernels, apusk_gemm_pack_b_f32_args *args,
                                   apusk_plan *plan) {
  *plan = (apusk_plan){.kernel = kernels->pack_b_f32, .grain = 1};
  if (args->k < 0 || args->n < 0 || args->batches < 0) return 100;
  int64_t bytes = apusk_gemm_packed_bytes(kernels, args->k, args->n);
  int64_t panels = apusk_gemm_panels(args->n, kernels->nr), total;
  if (bytes < 0 || __builtin_mul_overflow(bytes, args->batches, &total)) return 301;
  if (args->packed_batch_stride == 0) args->packed_batch_stride = bytes / (int64_t)sizeof(float);
  if (bytes == 0) return 0;
  if (__builtin_mul_overflow(panels, args->batches, &plan->units)) return 301;
  // About a float a nanosecond; 10 us are worth a thread.
  plan->grain = apusk_divide_up(10000, args->k * (int64_t)kernels->nr);
  return 0;
}

int32_t apusk_gemm_pack_b_f32_run(const apusk_gemm_isa *isa, const apusk_gemm_pack_b_f32_args *args, int64_t begin,
                                  int64_t end) {
  int64_t panels = apusk_gemm_panels(args->n, isa->kernels.nr);
  for (int64_t unit = begin; unit < end;) {
    int64_t batch = unit / panels, first = unit % panels;
    int64_t last = panels - first < end - unit ? panels : first + (end - unit);
    int64_t source = args->source_offsets ? args->source_offsets[batch] : batch * args->source_batch_stride;
    pack_panels(isa->kernels.nr, args->source + source, args->stride_k, args->stride_n,
                args->k, args->n, first, last, args->packed + batch * args->packed_batch_stride);
    unit += last - first;
  }
  return 0;
}
