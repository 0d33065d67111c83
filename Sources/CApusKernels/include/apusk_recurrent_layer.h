// Recurrent layers in one portable version for float32 and float64: ONNX RNN, GRU and LSTM with every activation that ONNX names.
// The float32 LSTM has a faster one for the usual activations (apusk_recurrent.h).
//
// As there, the input projection comes first: xw = X * W^T, dense [X's first two dimensions, directions * gates * H]. R is the
// operator's own [directions, gates * H, H]. With a . b for products along H (16 partial sums, added in a fixed tree), Wb and
// Rb the halves of the bias, clip(v) = v limited to [-clip, clip] (none where clip is 0):
//
//   RNN   h' = f(clip(xw + h . R + Wb + Rb))
//   GRU   z = f(clip(xw_z + h . R_z + Wb_z + Rb_z))      r = f(clip(... _r))
//         n = g(clip(xw_n + Wb_n + (r * h) . R_n + Rb_n))           linear_before_reset: xw_n + Wb_n + r * (h . R_n + Rb_n)
//         h' = (1 - z) * n + z * h
//   LSTM  i = f(clip(... _i + Pi * c))  fg = f(clip(... _f + Pf * c)), or 1 - i with input_forget   n = g(clip(... _c))
//         c' = fg * c + i * n           o = f(clip(... _o + Po * c'))                                h' = o * h(c')
//
// Gates come in ONNX's order: z r n; i o f c. Sequences that end early are treated as in apusk_recurrent.h.
#ifndef APUSK_RECURRENT_LAYER_H
#define APUSK_RECURRENT_LAYER_H

#include "apusk_recurrent.h"

#ifdef __cplusplus
extern "C" {
#endif

#define APUSK_LAYER_RNN 0
#define APUSK_LAYER_GRU 1
#define APUSK_LAYER_LSTM 2

// Pointers are to elements of element_type; strides count elements, as in apusk_lstm_f32_args. A unit is one direction of one
// item.
typedef struct apusk_recurrent_layer_args {
  const void *xw;
  const void *r;
  const void *bias;              // [D, 2 gates H] or NULL
  const void *peephole;          // [D, 3H] (i, o, f) or NULL
  const int32_t *sequence_lens;  // [batch] or NULL; outside [0, steps] is fault 600, operand 4
  const void *initial_h;         // or NULL: zeros
  const void *initial_c;         // or NULL: zeros
  void *y;                       // or NULL
  void *y_h;                     // or NULL
  void *y_c;                     // or NULL
  int64_t steps, batch, hidden;
  int32_t kind;                  // APUSK_LAYER_*
  int32_t element_type;          // float32 or float64
  int32_t direction;             // APUSK_LSTM_FORWARD, _REVERSE, _BIDIRECTIONAL
  int32_t input_forget;
  int32_t linear_before_reset;
  float clip;
  apusk_rnn_activation f[2], g[2], h[2];
  int64_t xw_t, xw_b;
  int64_t y_t, y_d, y_b;
  int64_t state_d, state_b;
} apusk_recurrent_layer_args;

// Gates of a kind: 1, 3, 4.
int64_t apusk_recurrent_layer_gates(int32_t kind);

// Sets the strides for layout 0 (X [T, B, I]) or 1 (X [B, T, I]).
void apusk_recurrent_layer_set_layout(apusk_recurrent_layer_args *args, int32_t layout);

// Returns 0, 100 for negative sizes or unknown codes, 301 for an overflow, 502 for another element type.
int32_t apusk_recurrent_layer_plan(const apusk_recurrent_layer_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
