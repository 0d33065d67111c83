// Recurrent layers: ONNX RNN, GRU and LSTM, of float32 and float64.
//
// A layer is three steps. First the input projection of all time steps, one matrix product with B = W^T:
//
//   xw = X * W^T            m = T * batch, k = I, n = directions * gates * H; no bias; xw dense [m, n]
//
// then `start`, which checks the lengths and sets the state, then `run`, the recurrence. Gates come in ONNX's order: RNN has
// one, GRU z r n, LSTM i o f c. With h . R for products along H, for each time step:
//
//   pre_x = (h . R_x + xw_x) + (Wb_x + Rb_x)
//
//   RNN   h' = f(clip(pre))
//   GRU   z = f(clip(pre_z))    r = f(clip(pre_r))
//         n = g(clip(((r * h) . R_n + xw_n) + (Wb_n + Rb_n)))
//             with linear_before_reset g(clip(fma(r, h . R_n + Rb_n, xw_n) + Wb_n))
//         h' = fma(z, h, (1 - z) * n)
//   LSTM  i = f(clip(fma(Pi, c, pre_i)))                          without P: f(clip(pre_i))
//         fg = f(clip(fma(Pf, c, pre_f)))   or 1 - i with input_forget
//         n = g(clip(pre_c))
//         c' = fma(i, n, fg * c)
//         o = f(clip(fma(Po, c', pre_o)))
//         h' = o * h(c')
//
// clip(v) limits v to [-clip, clip]; none where clip is 0. Each product is float32's sum of apusk_gemm.h, for float64 16
// partial sums added in the tree of apusk_reduce.h. Items that end early (sequence_lens) write zeros to Y from their end on; a
// reverse direction starts at an item's own last element. An item of length 0 hands its initial state to Y_h and Y_c.
//
// Products with R of 4 or 8 bits are those of few rows in apusk_block_weights.h, for any number of items.
//
// float32 reads R in packed panels; the columns of one time step may be shared by several threads: then `run` has phases.
#ifndef APUSK_RECURRENT_H
#define APUSK_RECURRENT_H

#include "apusk_element_type.h"
#include "apusk_gemm.h"

#ifdef __cplusplus
extern "C" {
#endif

// Activations of f, g and h, with ONNX's alpha and beta.
#define APUSK_RNN_SIGMOID 0
#define APUSK_RNN_TANH 1
#define APUSK_RNN_RELU 2              // v < 0 ? +0 : v
#define APUSK_RNN_AFFINE 3            // fma(alpha, v, beta)
#define APUSK_RNN_LEAKY_RELU 4        // v < 0 ? alpha * v : v
#define APUSK_RNN_THRESHOLDED_RELU 5  // v < alpha ? +0 : v
#define APUSK_RNN_SCALED_TANH 6       // alpha * tanh(beta * v)
#define APUSK_RNN_HARD_SIGMOID 7      // fma(alpha, v, beta) limited to [0, 1]
#define APUSK_RNN_SOFTSIGN 8          // v / (1 + |v|)
#define APUSK_RNN_ELU 9               // v < 0 ? alpha * (e^v - 1) : v
#define APUSK_RNN_SOFTPLUS 10         // log(1 + e^v)

typedef struct apusk_rnn_activation {
  int32_t code;
  float alpha;
  float beta;
} apusk_rnn_activation;

#define APUSK_RNN 0
#define APUSK_GRU 1
#define APUSK_LSTM 2

#define APUSK_RECURRENT_FORWARD 0
#define APUSK_RECURRENT_REVERSE 1
#define APUSK_RECURRENT_BIDIRECTIONAL 2

// Pointers are to elements of element_type, strides count elements; `apusk_recurrent_set_layout` fills them for the dense
// tensors of ONNX's layout 0 and 1. D = directions (1 or 2), G = gates, H = hidden.
typedef struct apusk_recurrent_args {
  const void *xw;                // item (t, b), direction d, gate column j: xw[t*xw_t + b*xw_b + d*G*H + j]
  const void *r;                 // float64: [D, G*H, H]; float32: D*G packed matrices, k = n = H, stride_k = 1, stride_n = H,
                                 // of 16-bit elements where half_type says so; NULL where `weights` are in its place
  const void *bias;              // [D, 2*G*H] (Wb then Rb) or NULL
  const void *peephole;          // [D, 3H] (i, o, f) or NULL; LSTM alone
  const int32_t *sequence_lens;  // [batch] or NULL; outside [0, steps] is fault 600, operand 4
  const void *initial_h;         // or NULL: zeros
  const void *initial_c;         // or NULL: zeros
  void *y;                       // or NULL
  void *y_h;                     // or NULL
  void *y_c;                     // or NULL
  void *state;                   // state_bytes, at a multiple of 64: between the two steps
  int64_t steps, batch, hidden;
  int32_t element_type;          // float32 or float64
  int32_t half_type;             // of r for float32: APUSK_FLOAT16 or APUSK_BFLOAT16 (apusk_gemm_half.h); 0 for float32
  apusk_block_weights weights;   // where bits is not 0: R of 4 or 8 bits, D*G packed matrices, k = n = H, one after the other
  const void *block_kernels;     // written by apusk_recurrent_plan
  int32_t kind;                  // APUSK_RNN, APUSK_GRU, APUSK_LSTM
  int32_t direction;             // APUSK_RECURRENT_*
  int32_t input_forget;
  int32_t linear_before_reset;
  float clip;
  apusk_rnn_activation f[2], g[2], h[2];   // by direction
  int64_t xw_t, xw_b;
  int64_t y_t, y_d, y_b;          // Y: [T, D, B, H] or [B, T, D, H]
  int64_t state_d, state_b;       // Y_h, Y_c, initial_h, initial_c: [D, B, H] or [B, D, H]
  // Written by apusk_recurrent_plan.
  int64_t items_per_chain;        // batch items done together: a chain is one direction of so many
  int32_t parts;                  // that the columns of a chain are cut into; a unit of `run` is a part
} apusk_recurrent_args;

typedef struct apusk_recurrent_plan_result {
  apusk_plan start, run;
  int64_t state_bytes;
} apusk_recurrent_plan_result;

// Gates of a kind: 1, 3, 4.
int64_t apusk_recurrent_gates(int32_t kind);

// Sets the strides from steps, batch, hidden, direction for layout 0 (X [T, B, I]) or 1 (X [B, T, I]); xw has the
// order of X's first two dimensions.
void apusk_recurrent_set_layout(apusk_recurrent_args *args, int32_t layout);

// `threads` is how many threads may share the work: it decides the units, never the result.
// Returns 0, 100 for negative sizes, unknown codes or an unknown level, 301 for an overflow, 502 for another element type.
int32_t apusk_recurrent_plan(int32_t level, apusk_recurrent_args *args, int32_t threads, apusk_recurrent_plan_result *plan);

#ifdef __cplusplus
}
#endif
#endif
