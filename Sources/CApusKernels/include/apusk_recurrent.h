// Recurrent layers, fp32: ONNX LSTM.
//
// The layer is two steps. First the input projection, one matrix product with B = W^T:
//
//   xw = X * W^T            gemm: m = T * batch, k = I, n = directions * 4H, W [directions * 4H, I] packed with
//                           stride_k = 1, stride_n = I; no bias; xw dense [m, n]
//
// then the recurrence (this kernel), with R of each direction packed by apusk_lstm_f32_pack. With the gates in
// ONNX's order i, o, f, c, for a time step:
//
//   pre   = (acc + xw_t) + (Wb + Rb)     acc = h * R^T as apusk_gemm.h sums along H; each + rounded to fp32
//   i     = f(clip(fma(Pi, c, pre_i)))                          without P: f(clip(pre_i))
//   f     = f(clip(fma(Pf, c, pre_f)))   or 1 - i with input_forget
//   g     = g(clip(pre_c))
//   c'    = fma(i, g, f * c)
//   o     = f(clip(fma(Po, c', pre_o)))
//   h'    = o * h(c')
//
// clip(v) limits v to [-clip, clip]; it is applied to the inputs of f and g, and to none where clip is 0.
// Items that end early (sequence_lens) write zeros to Y from their end on; a reverse direction starts at an item's
// own last element. An item of length 0 hands its initial state to Y_h and Y_c.
#ifndef APUSK_RECURRENT_H
#define APUSK_RECURRENT_H

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
#define APUSK_RNN_ELU 9               // v < 0 ? alpha * (e^v - 1) : v                   apusk_recurrent_layer.h only
#define APUSK_RNN_SOFTPLUS 10         // log(1 + e^v)                                    apusk_recurrent_layer.h only

typedef struct apusk_rnn_activation {
  int32_t code;
  float alpha;
  float beta;
} apusk_rnn_activation;

#define APUSK_LSTM_FORWARD 0
#define APUSK_LSTM_REVERSE 1
#define APUSK_LSTM_BIDIRECTIONAL 2

// Strides count floats. `apusk_lstm_f32_set_layout` fills them for the dense tensors of ONNX's layout 0 and 1.
// D = directions (1 or 2), H = hidden.
typedef struct apusk_lstm_f32_args {
  const float *xw;                // item (t, b), direction d, gate column j: xw[t*xw_t + b*xw_b + d*4H + j]
  const float *r;                 // packed, D matrices
  const float *bias;              // [D, 8H] (Wb then Rb) or NULL
  const float *peephole;          // [D, 3H] (i, o, f) or NULL
  const int32_t *sequence_lens;   // [batch] or NULL; outside [0, steps] is fault 600, operand 4
  const float *initial_h;         // or NULL: zeros
  const float *initial_c;         // or NULL: zeros
  float *y;                       // or NULL
  float *y_h;                     // or NULL
  float *y_c;                     // or NULL
  int64_t steps, batch, hidden;
  int32_t direction;              // APUSK_LSTM_*
  int32_t input_forget;
  float clip;                     // 0: none
  apusk_rnn_activation f[2], g[2], h[2];   // by direction
  int64_t xw_t, xw_b;
  int64_t y_t, y_d, y_b;          // Y: [T, D, B, H] or [B, T, D, H]
  int64_t state_d, state_b;       // Y_h, Y_c, initial_h, initial_c: [D, B, H] or [B, D, H]
  // Written by apusk_lstm_f32_plan: batch items done together; a unit is one direction of so many items.
  int64_t items_per_unit;
} apusk_lstm_f32_args;

typedef struct apusk_recurrent_kernels {
  int32_t level;
  const apusk_gemm_kernels *gemm;
  apusp_kernel lstm_f32;
} apusk_recurrent_kernels;

const apusk_recurrent_kernels *apusk_recurrent_kernels_for(int32_t level);

// Sets the strides from steps, batch, hidden, direction for layout 0 (X [T, B, I]) or 1 (X [B, T, I]); xw has the
// order of X's first two dimensions.
void apusk_lstm_f32_set_layout(apusk_lstm_f32_args *args, int32_t layout);

// Sets f, g, h of both directions to ONNX's defaults: sigmoid, tanh, tanh.
void apusk_lstm_f32_set_default_activations(apusk_lstm_f32_args *args);

// Bytes of packed R for all directions; -1 on overflow or negative sizes.
int64_t apusk_lstm_f32_packed_bytes(const apusk_recurrent_kernels *kernels, int32_t directions, int64_t hidden);

// Packs R [directions, 4H, H]. For an R that is known only at run time the step is pack_b_f32 with k = H, n = 4H,
// stride_k = 1, stride_n = H, batches = directions, source_batch_stride = 4H * H, packed_batch_stride = 0.
void apusk_lstm_f32_pack(const apusk_recurrent_kernels *kernels, int32_t directions, int64_t hidden, const float *r,
                         float *packed);

// `threads` is how many threads may share the work: it decides items_per_unit, never the result.
// The state lives in worker->scratch (plan->scratch_bytes): no other buffers are needed.
// Returns 0, 100 for negative sizes or unknown codes, 301 for an overflow.
int32_t apusk_lstm_f32_plan(const apusk_recurrent_kernels *kernels, apusk_lstm_f32_args *args, int32_t threads,
                            apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
