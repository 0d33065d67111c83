// Attention, and what goes with it: rotary position embedding, caches, the recurrence of linear attention and the causal
// convolution with a carried state.
#ifndef APUSK_ATTENTION_H
#define APUSK_ATTENTION_H

#include "apusk_element_type.h"
#include "apusk_level.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- which keys take part -------------------------------------------------------------------------------------------------

// Strides of the mask count elements, 0 where it is broadcast. A key takes part in a query's row unless
//   a bool mask is false there, or it is at mask_keys or beyond, or at valid_keys[batch] or beyond,
//   or, where causal, beyond query + offset, or with a window before query + offset - window + 1
// with offset = offsets[batch], or causal_offset where offsets is NULL.
typedef struct apusk_attention_mask {
  const void *mask;           // or NULL; of the scores' element type, added to them, or bool
  const int64_t *valid_keys;  // [batch] or NULL
  const int64_t *offsets;     // [batch] or NULL
  int64_t mask_batch, mask_head, mask_query, mask_key;
  int64_t mask_keys;
  int64_t causal_offset;
  int64_t window;             // 0: none
  int32_t mask_is_bool;
  int32_t is_causal;
} apusk_attention_mask;

// ---- attention ------------------------------------------------------------------------------------------------------------

// softmax(scale * Q K^T, softcap, mask) V of float32, without the matrix of scores: a few rows of queries meet the keys block
// by block, so that scores live in the first-level cache alone. The row of a query, with s and w of a key:
//
//   s = (scale * q) . k;  s = softcap > 0 ? softcap * tanh(s / softcap) : s;  s = s + mask, or -inf for a key without part
//
// The row's keys come in blocks of APUSK_ATTENTION_KEYS, counted from key 0. For each block with m the largest score so far,
//
//   w = exp(s - m), 0 below -87   sum = sum * exp(m before - m) + (w of the block)   output = output * exp(m before - m) + w . v
//
// and at the end output = output * (1 / sum); a row without any key that takes part becomes NaN, or 0 with zero_empty_rows.
// Sums run from +0: products as chains of fma, the w of a block in order of keys. Where a head of keys has at most
// APUSK_ATTENTION_NARROW rows of queries instead, q . k and the w of a block run in 16 lanes and the tree of apusk_reduce.h.
// Blocks in which no key takes part for any of 32 neighbouring rows are not read.
#define APUSK_ATTENTION_KEYS 128
#define APUSK_ATTENTION_NARROW 4

// Strides count elements from item to item, head to head and row to row; elements of a row are neighbours. Query head i
// reads the keys and values of head i / group.
typedef struct apusk_attention_f32_args {
  const float *q;  // [batch, heads * group, queries, size]
  const float *k;  // [batch, heads, keys, size]
  const float *v;  // [batch, heads, keys, value_size]
  float *output;   // [batch, heads * group, queries, value_size]
  int64_t batch, heads, group, queries, keys, size, value_size;
  int64_t q_batch, q_head, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row, output_batch, output_head, output_row;
  apusk_attention_mask mask;
  float scale;
  float softcap;   // 0: none
  int32_t zero_empty_rows;
  int32_t reserved;
} apusk_attention_f32_args;

// Returns 0, 100 for an unknown level, 301 for an overflow.
int32_t apusk_attention_f32_plan(int32_t level, const apusk_attention_f32_args *args, apusk_plan *plan);

// ---- scores to weights ----------------------------------------------------------------------------------------------------

// Which stage of the scores is written to `stage`.
#define APUSK_ATTENTION_STAGE_CAPPED 1  // after softcap
#define APUSK_ATTENTION_STAGE_BIASED 2  // after softcap and mask

// Where scores are an output, or not of float32. For scores [batch, heads, queries, keys] of float32 or float64, one row (a
// unit) at a time:
//
//   s = softcap > 0 ? softcap * tanh(s / softcap) : s
//   s = s + mask, or -inf for a key without part
//   weights = softmax of the row; a row without any key that takes part becomes NaN, or zeros with zero_empty_rows
//
// weights may be scores.
typedef struct apusk_attention_weights_args {
  const void *scores;
  void *weights;
  void *stage;                // or NULL
  int64_t batch, heads, queries, keys;
  apusk_attention_mask mask;
  int32_t element_type;       // float32 or float64
  int32_t stage_kind;
  int32_t zero_empty_rows;
  float softcap;
} apusk_attention_weights_args;

// Returns 0, 502 for another element type.
int32_t apusk_attention_weights_plan(const apusk_attention_weights_args *args, apusk_plan *plan);

// ---- rotary position embedding --------------------------------------------------------------------------------------------

// Turns pairs of elements (x1, x2) of each head by the angle of its position: (c x1 - s x2, s x1 + c x2), float32. Pairs are
// neighbours (interleaved) or half the rotated elements apart; elements from 2 * half on stay as they are. Cosine and sine have
// `half` elements a position: row positions[b, t] of a cache of `cache_rows` rows, or without positions row b * sequence + t.
// A position outside the cache is fault 600. A unit is one head of one token.
typedef struct apusk_rotary_args {
  const float *input;
  const float *cosine;
  const float *sine;
  const int64_t *positions;  // or NULL
  float *output;
  int64_t batch, sequence, heads, head_size, half;
  int64_t batch_stride, token_stride, head_stride;  // of input and output
  int64_t position_batch_stride, position_token_stride;
  int64_t position_operand;  // which input a bad position is blamed on
  int64_t cache_rows;
  int32_t interleaved;
  int32_t one_position;      // positions has one element, of the first token: token t has positions[0] + t
  float scale;               // of the results; 1 for none
  int32_t reserved;
} apusk_rotary_args;

int32_t apusk_rotary_plan(const apusk_rotary_args *args, apusk_plan *plan);

// ---- caches of keys and values ----------------------------------------------------------------------------------------------

// com.microsoft GroupQueryAttention: from the last key's index of each item (lengths[b] = total - 1, int32) what the other steps
// read: where its new tokens begin (starts: total - tokens, at least 0), each token's position, and how many keys are valid
// (total). A total that does not fit the cache is fault 600, operand 5. A unit is an item.
typedef struct apusk_cache_positions_args {
  const int32_t *lengths;
  int64_t *starts;     // [batch]
  int64_t *valid;      // [batch]
  int64_t *positions;  // [batch, tokens]
  int64_t batch, tokens;
  int64_t capacity;    // rows of the cache
} apusk_cache_positions_args;

int32_t apusk_cache_positions_plan(const apusk_cache_positions_args *args, apusk_plan *plan);

// present[b, h] = starts[b] rows of past[b, h], then the new rows, then zeros up to `capacity` rows of row_bytes each. New
// rows lie row_stride bytes apart, those of a head head_stride, those of an item batch_stride. A unit is a head of an item.
typedef struct apusk_cache_append_args {
  const void *past;       // [batch, heads, past_rows, row] or NULL
  const void *rows;
  const int64_t *starts;  // as apusk_cache_positions leaves them
  void *present;          // [batch, heads, capacity, row]
  int64_t batch, heads, tokens, past_rows, capacity, row_bytes;
  int64_t batch_stride, head_stride, row_stride;
} apusk_cache_append_args;

int32_t apusk_cache_append_plan(const apusk_cache_append_args *args, apusk_plan *plan);

// ---- linear attention -----------------------------------------------------------------------------------------------------

#define APUSK_LINEAR_ATTENTION_GATED 1  // the state decays: bit of `rule`
#define APUSK_LINEAR_ATTENTION_DELTA 2  // the update is corrected by what the state holds already

// ONNX LinearAttention, float32. For each batch item and key/value head (a unit) token by token, with S [key_size, value_size]:
//
//   S = exp(decay) * S                                      (gated)
//   u = v - S^T k  (delta),  or v;     S = S + beta * k u^T (delta), or S + k v^T
//   output of each query head of the group = scale * S^T q
//
// All tensors are dense in ONNX's order. Sums run along key_size.
typedef struct apusk_linear_attention_args {
  const float *query, *key, *value;
  const float *past;     // or NULL: zeros
  const float *decay;    // or NULL
  const float *beta;     // or NULL
  float *output;
  float *state;          // [batch, kv_heads, key_size, value_size]
  int64_t batch, tokens, query_heads, kv_heads, key_size, value_size;
  int64_t decay_width;   // elements a token of `decay`: kv_heads or kv_heads * key_size
  int64_t beta_width;    // of `beta`: kv_heads or 1
  int32_t rule;
  float scale;
} apusk_linear_attention_args;

int32_t apusk_linear_attention_plan(const apusk_linear_attention_args *args, apusk_plan *plan);

// ---- causal convolution ---------------------------------------------------------------------------------------------------

// ONNX CausalConvWithState, float32: each channel of input [batch, channels, length] with its own kernel [size], over the
// input with `past` [batch, channels, size - 1] (or zeros) before it; bias, then optionally v * sigmoid(v). `state` receives the
// last size - 1 elements of past and input. A unit is a channel of a batch item.
typedef struct apusk_causal_conv_args {
  const float *input;
  const float *kernel;
  const float *bias;  // or NULL
  const float *past;  // or NULL
  float *output;
  float *state;       // or NULL
  int64_t batch, channels, length, size;
  int32_t silu;
  int32_t reserved;
} apusk_causal_conv_args;

int32_t apusk_causal_conv_plan(const apusk_causal_conv_args *args, apusk_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
