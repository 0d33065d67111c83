// Matrix products, fp32: C = tail(A * B) with B packed into panels of columns.
//
// Each element of C is a sum of chains along k. Chain number q covers p = q * APUSK_GEMM_CHAIN ..< (q + 1) *
// APUSK_GEMM_CHAIN, as far as k goes: it starts at +0 and goes on by acc = fma(A[i, p], B[p, j], acc), p ascending. The
// sum is that of chain 0; the others are added to it in order, each addition rounded (k = 0: +0). The order depends on
// nothing else, so every instruction set level and every split into units gives the same bits (the payload and sign of
// NaN results excepted).
//
// With u = 2^-24 and s = sum over p of |A[i, p] * B[p, j]|, the error is at most about
// (min(k, APUSK_GEMM_CHAIN) + ceil(k / APUSK_GEMM_CHAIN) - 1) * u * s; in one chain it would be k * u * s.
#ifndef APUSK_GEMM_H
#define APUSK_GEMM_H

#include "apusk_block_weights.h"
#include "apusk_level.h"
#include "apusk_tail.h"

#ifdef __cplusplus
extern "C" {
#endif

// Most fused multiply-adds in a row of one sum.
#define APUSK_GEMM_CHAIN 256

// Packed B, by panels of `nr` columns: panel q starts at float q * nr * k and holds, for p = 0 ..< k, a row of `w`
// columns: nr, in the last panel the rest of n rounded up to 8, 16, 24 or 32, with +0 where n has ended.
// The buffer is aligned to 64 bytes. Two levels with the same nr share packed weights.
typedef struct apusk_gemm_kernels {
  int32_t level;
  int32_t mr;    // rows of the largest micro-kernel
  int32_t nr;    // columns of a panel
  apusp_kernel gemm_f32;    // args: apusk_gemm_f32_args, as apusk_gemm_f32_plan left it
  apusp_kernel pack_b_f32;  // args: apusk_gemm_pack_b_f32_args; units: batches * panels
} apusk_gemm_kernels;

// NULL for an unknown level. The caller makes sure that the CPU has the level.
const apusk_gemm_kernels *apusk_gemm_kernels_for(int32_t level);

// Bytes of one packed k x n matrix, a multiple of 64; -1 if a size is negative or the product overflows.
int64_t apusk_gemm_packed_bytes(const apusk_gemm_kernels *kernels, int64_t k, int64_t n);

// Packs element (p, j) of `source`, at p * stride_k + j * stride_n (elements), into `packed`. For weights, at
// prepare time. ONNX Gemm with transB = 1 and PyTorch's Linear, [n, k], have stride_k = 1, stride_n = k.
void apusk_gemm_pack_b_f32(const apusk_gemm_kernels *kernels, const float *source, int64_t stride_k, int64_t stride_n,
                           int64_t k, int64_t n, float *packed);

// The same as a step, for a B that is known only at run time.
typedef struct apusk_gemm_pack_b_f32_args {
  const float *source;
  float *packed;                  // batches * apusk_gemm_packed_bytes
  int64_t stride_k, stride_n;
  int64_t k, n;
  int64_t batches;
  int64_t source_batch_stride;
  const int64_t *source_offsets;  // [batches] or NULL: instead of the stride
  int64_t packed_batch_stride;    // floats; 0 = apusk_gemm_packed_bytes / 4
} apusk_gemm_pack_b_f32_args;

// Fills `plan` (and packed_batch_stride where it is 0). Returns 0, 100 for a negative size, 301 for an overflow.
int32_t apusk_gemm_pack_b_f32_plan(const apusk_gemm_kernels *kernels, apusk_gemm_pack_b_f32_args *args,
                                   apusk_plan *plan);

// C[b] (m x n) = tail(A[b] (m x k) * B[b] (k x n)), b = 0 ..< batches. All strides count elements.
// C may not overlap A or B. Rows of C are dense (column stride 1). A may have any strides, so a transposed A is
// a_row_stride = 1, a_k_stride = lda.
// Batch b uses A at a + (a_offsets ? a_offsets[b] : b * a_batch_stride), and so on; offset tables serve broadcast
// batches. Packed B's offsets are in floats, multiples of 16.
// ONNX Gemm alpha*A*B + beta*C: tail.scale = alpha; C as the residual with residual_scale = beta (strides 0 where
// it broadcasts; the same residual for all batches unless residual_batch_stride says otherwise).
typedef struct apusk_gemm_f32_args {
  const float *a;
  const float *b;                 // packed
  float *c;
  int64_t m, n, k;
  int64_t a_row_stride, a_k_stride;
  int64_t c_row_stride;
  apusk_tail tail;
  int64_t batches;                // 1 for a plain product
  int64_t a_batch_stride, b_batch_stride, c_batch_stride, residual_batch_stride;
  const int64_t *a_offsets;       // [batches] or NULL
  const int64_t *b_offsets;       // [batches] or NULL
  const int64_t *c_offsets;       // [batches] or NULL
  // B with 16-bit elements (apusk_gemm_half.h), in place of `b`: APUSK_FLOAT16 or APUSK_BFLOAT16; 0 for float32.
  int32_t half_type;
  const uint16_t *half;           // packed; b_batch_stride and b_offsets count its elements
  apusk_block_weights weights;    // B in blocks of 4 or 8 bits, in place of `b`; where bits is not 0. One product
  // Written by apusk_gemm_f32_plan: how the work is cut into units.
  int64_t rows_per_unit;
  int64_t panels_per_unit;
} apusk_gemm_f32_args;

// Cuts the work into units by the sizes in `args` (pointers may still be unset) and fills `plan`.
// Returns 0, 100 for a negative size or unknown activation, 301 for an overflow, 502 for another half_type.
int32_t apusk_gemm_f32_plan(const apusk_gemm_kernels *kernels, apusk_gemm_f32_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
