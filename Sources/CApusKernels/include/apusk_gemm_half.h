// Weights of 16 bits, float16 or bfloat16: packed panels that matrix products and recurrent layers read in place of float32's.
//
// Each element becomes the float32 of its value, exactly, and from there on a product is that of apusk_gemm.h: the same order
// of summation, the same bits as with weights that were widened beforehand. Products of few rows, which are bound by the bytes
// of B, widen in registers; others widen a strip of a panel at a time and read it as often as there are blocks of rows.
#ifndef APUSK_GEMM_HALF_H_PUBLIC
#define APUSK_GEMM_HALF_H_PUBLIC

#include "apusk_element_type.h"
#include "apusk_gemm.h"

#ifdef __cplusplus
extern "C" {
#endif

// Products of up to so many rows gain from weights of 16 bits: more are bound by the multiplications.
#define APUSK_HALF_MAX_ROWS 8

// Packed B has the panels of apusk_gemm.h, of 16-bit elements. In full panels of bfloat16 each row is zipped: column j of the
// first half is followed by column j of the second half, so that a shift and a mask take two vectors from one.
// Bytes of one packed k x n matrix, a multiple of 64; -1 if a size is negative or the product overflows.
int64_t apusk_gemm_half_packed_bytes(const apusk_gemm_kernels *kernels, int64_t k, int64_t n);

// As apusk_gemm_pack_b_f32; `type` is APUSK_FLOAT16 or APUSK_BFLOAT16.
void apusk_gemm_pack_b_half(const apusk_gemm_kernels *kernels, int32_t type, const uint16_t *source, int64_t stride_k,
                            int64_t stride_n, int64_t k, int64_t n, uint16_t *packed);

// The values of `count` elements of `type` as float32, exact (NaNs become quiet).
void apusk_half_widen(const apusk_gemm_kernels *kernels, int32_t type, const uint16_t *source, int64_t count,
                      float *target);

#ifdef __cplusplus
}
#endif
#endif
