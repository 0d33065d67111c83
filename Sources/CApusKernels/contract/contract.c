// Strided sums of products in one portable version for each element type; see apusk_contract.h.
#include "../include/apusk_contract.h"

#include <stddef.h>

#pragma clang fp contract(off)

// Neighbours of the result that are summed together, in registers and the first-level cache.
enum { block_columns = 64 };

#define T float
#define WIDE float
#define WIDENED(v) (v)
#define NARROWED(v) (v)
#define APUSK_NAME(name) name##_f32
#include "contract_typed.h"

#define T double
#define WIDE double
#define WIDENED(v) (v)
#define NARROWED(v) (v)
#define APUSK_NAME(name) name##_f64
#include "contract_typed.h"

// Signed and unsigned integers have the same bits in sums of products that wrap; only alpha and beta see the sign.
static uint64_t truncated(double v, int is_signed) {
  if (v != v) return 0;
  if (is_signed) return (uint64_t)(v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : (int64_t)v);
  return v >= 0x1p64 ? UINT64_MAX : v <= 0 ? 0 : (uint64_t)v;
}

#define T uint32_t
#define WIDE double
#define WIDENED(v) (args->element_type == APUSK_INT32 ? (double)(int32_t)(v) : (double)(v))
#define NARROWED(v) truncated(v, 1)
#define APUSK_NAME(name) name##_32
#include "contract_typed.h"

#define T uint64_t
#define WIDE double
#define WIDENED(v) (args->element_type == APUSK_INT64 ? (double)(int64_t)(v) : (double)(v))
#define NARROWED(v) truncated(v, args->element_type == APUSK_INT64)
#define APUSK_NAME(name) name##_64
#include "contract_typed.h"

static apusp_kernel kernel_of(int32_t element_type) {
  switch (element_type) {
    case APUSK_FLOAT32: return run_f32;
    case APUSK_FLOAT64: return run_f64;
    case APUSK_INT32:
    case APUSK_UINT32: return run_32;
    case APUSK_INT64:
    case APUSK_UINT64: return run_64;
    default: return NULL;
  }
}

static int32_t add_axis(int32_t *rank, int64_t *shape, int64_t extent, int64_t *const *strides, const int64_t *steps,
                        int32_t tables) {
  if (extent < 0) return 100;
  if (extent == 1) return 0;
  int32_t last = *rank - 1;
  int joins = *rank > 0;
  for (int32_t t = 0; t < tables && joins; t++) {
    int64_t span;
    joins = !__builtin_mul_overflow(steps[t], extent, &span) && strides[t][last] == span;
  }
  if (joins) {
    if (__builtin_mul_overflow(shape[last], extent, &shape[last])) return 301;
  } else {
    if (*rank == APUSK_CONTRACT_RANK) return 301;
    last = (*rank)++;
    shape[last] = extent;
  }
  for (int32_t t = 0; t < tables; t++) strides[t][last] = steps[t];
  return 0;
}

int32_t apusk_contract_add_axis(apusk_contract_args *args, int64_t extent, int64_t a_stride, int64_t b_stride, int64_t c_stride) {
  int64_t *const strides[] = {args->a_strides, args->b_strides, args->c_strides};
  const int64_t steps[] = {a_stride, b_stride, c_stride};
  return add_axis(&args->rank, args->shape, extent, strides, steps, 3);
}

int32_t apusk_contract_add_sum(apusk_contract_args *args, int64_t extent, int64_t a_stride, int64_t b_stride) {
  int64_t *const strides[] = {args->a_sum_strides, args->b_sum_strides};
  const int64_t steps[] = {a_stride, b_stride};
  return add_axis(&args->sum_rank, args->sum_shape, extent, strides, steps, 2);
}

static int product(int32_t rank, const int64_t *shape, int64_t *result) {
  *result = 1;
  for (int32_t d = 0; d < rank; d++) {
    if (shape[d] < 0) return 100;
    if (__builtin_mul_overflow(*result, shape[d], result)) return 301;
  }
  return 0;
}

int32_t apusk_contract_plan(apusk_contract_args *args, apusk_plan *plan) {
  *plan = (apusk_plan){.grain = 1};
  if (args->rank < 0 || args->rank > APUSK_CONTRACT_RANK || args->sum_rank < 0 ||
      args->sum_rank > APUSK_CONTRACT_RANK) {
    return 100;
  }
  plan->kernel = kernel_of(args->element_type);
  if (!plan->kernel) return 502;
  int64_t elements, terms;
  int status = product(args->rank, args->shape, &elements);
  if (status == 0) status = product(args->sum_rank, args->sum_shape, &terms);
  if (status != 0) return status;
  if (elements == 0) return 0;
  // The walks have at least one axis.
  if (args->rank == 0) args->shape[args->rank++] = 1;
  if (args->sum_rank == 0) args->sum_shape[args->sum_rank++] = 1;
  int64_t columns = args->shape[args->rank - 1], length = args->sum_shape[args->sum_rank - 1];
  args->outer_sums = terms == 0 ? 0 : terms / length;
  args->row_blocks = columns / block_columns + (columns % block_columns != 0);
  plan->units = elements / columns * args->row_blocks;
  const double products_per_grain = 40000;
  double each = (double)(columns < block_columns ? columns : block_columns) * (double)(terms + 4);
  plan->grain = each >= products_per_grain ? 1 : 1 + (int64_t)(products_per_grain / each);
  return 0;
}
