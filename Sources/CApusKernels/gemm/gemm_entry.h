// The steps of one level: kernels with the executor's signature that hand their level's micro-kernels to the loops.
#ifndef APUSK_GEMM_ENTRY_H
#define APUSK_GEMM_ENTRY_H

#include "apusk_math.h"
#include "gemm_isa.h"

int32_t apusk_gemm_f32_run(const apusk_gemm_isa *isa, const apusk_gemm_f32_args *args, int64_t begin, int64_t end,
                           apusp_worker *worker);
int32_t apusk_gemm_pack_b_f32_run(const apusk_gemm_isa *isa, const apusk_gemm_pack_b_f32_args *args, int64_t begin,
                                  int64_t end);

#define APUSK_GEMM_ENTRIES(isa)                                                                        \
  static int32_t gemm_f32(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {        \
    return apusk_gemm_f32_run(&isa, args, begin, end, worker);                                         \
  }                                                                                                    \
  static int32_t pack_b_f32(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {      \
    (void)worker;                                                                                      \
    return apusk_gemm_pack_b_f32_run(&isa, args, begin, end);                                          \
  }

#endif
