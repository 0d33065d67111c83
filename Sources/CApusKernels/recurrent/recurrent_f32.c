// The recurrence over time, float32. A chain (one direction of some batch items) is a sequence of phases, one for each time
// step, or two where a GRU resets the state before its last product. In each phase every part computes its own columns of
// the gates from the whole state: where a chain has several parts, the step that it is has as many phases.
#include <string.h>

#include "recurrent_level.h"

// Floats of a row, filled up to whole cache lines.
static int64_t padded(int64_t floats) { return (floats + 15) & ~(int64_t)15; }

// The state of a chain, one after the other: h twice, c, z [items, H]; sums [items, G*H].
int64_t apusk_recurrent_f32_chain_bytes(const apusk_recurrent_args *args) {
  int64_t state = padded(args->items_per_chain * args->hidden);
  return (4 + apusk_recurrent_gates(args->kind)) * state * (int64_t)sizeof(float);
}

typedef struct chain {
  const apusk_recurrent_level *level;
  const apusk_recurrent_args *args;
  float *h[2], *c, *z, *sums;
  float *scratch;  // of this thread
  int64_t direction, first, items;
} chain;

static chain chain_of(const apusk_recurrent_args *args, int64_t number) {
  int64_t blocks = apusk_divide_up(args->batch, args->items_per_chain);
  int64_t first = number % blocks * args->items_per_chain;
  int64_t left = args->batch - first, state = padded(args->items_per_chain * args->hidden);
  float *floats = (float *)args->state + number * (4 + apusk_recurrent_gates(args->kind)) * state;
  return (chain){
      .args = args, .h = {floats, floats + state}, .c = floats + 2 * state, .z = floats + 3 * state,
      .sums = floats + 4 * state, .direction = number / blocks, .first = first,
      .items = left < args->items_per_chain ? left : args->items_per_chain};
}

static int64_t state_offset(const chain *chain, int64_t item) {
  return chain->direction * chain->args->state_d + (chain->first + item) * chain->args->state_b;
}

static void set_state(const chain *chain, const float *initial, float *state, float *result) {
  int64_t hidden = chain->args->hidden;
  size_t bytes = sizeof(float) * (size_t)hidden;
  for (int64_t i = 0; i < chain->items; i++) {
    float *row = state + i * hidden;
    if (initial) {
      memcpy(row, initial + state_offset(chain, i), bytes);
    } else {
      memset(row, 0, bytes);
    }
    if (result && chain->args->steps == 0) memcpy(result + state_offset(chain, i), row, bytes);
  }
}

int32_t apusk_recurrent_f32_start(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_recurrent_args *args = args_;
  for (int64_t number = begin; number < end; number++) {
    chain chain = chain_of(args, number);
    for (int64_t i = 0; i < chain.items; i++) {
      if (apusk_recurrent_length(args, chain.first + i, worker) < 0) return 600;
    }
    set_state(&chain, args->initial_h, chain.h[0], args->y_h);
    set_state(&chain, args->initial_c, chain.c, args->y_c);
  }
  return 0;
}

// sums of the panels first ..< end of a gate, of the state whose digits are in scratch: R of 4 or 8 bits.
static void multiply_blocks(const chain *chain, int64_t gate, int64_t first, int64_t end) {
  const apusk_recurrent_args *args = chain->args;
  const int64_t hidden = args->hidden, gates = apusk_recurrent_gates(args->kind), number = chain->direction * gates + gate;
  apusk_block_weights w = args->weights;
  w.q += number * apusk_block_q_bytes(&w);
  w.scales = (const char *)w.scales + number * apusk_block_scale_bytes(&w);
  if (w.zeros) w.zeros += number * apusk_block_zero_bytes(&w);
  float *sums = (float *)((char *)chain->scratch + chain->items * apusk_block_digits_bytes(&w));
  const int64_t wholes = hidden / APUSK_BLOCK_COLUMNS, last = end < wholes ? end : wholes;
  float *c = chain->sums + gate * hidden;
  apusk_block_rows(args->block_kernels, &w, chain->scratch, chain->items, first, last - first, c + first * APUSK_BLOCK_COLUMNS,
                   gates * hidden);
  if (end == last) return;
  apusk_block_rows(args->block_kernels, &w, chain->scratch, chain->items, last, 1, sums, APUSK_BLOCK_COLUMNS);
  const int64_t column = last * APUSK_BLOCK_COLUMNS;
  for (int64_t i = 0; i < chain->items; i++) {
    memcpy(c + i * gates * hidden + column, sums + i * APUSK_BLOCK_COLUMNS, sizeof(float) * (size_t)(hidden - column));
  }
}

// The same of `state` by R of floats.
static void multiply(const chain *chain, const float *state, int64_t gate, int64_t first, int64_t end) {
  const apusk_recurrent_args *args = chain->args;
  const apusk_gemm_isa *gemm = chain->level->gemm;
  int64_t hidden = args->hidden, gates = apusk_recurrent_gates(args->kind);
  int64_t number = chain->direction * gates + gate;
  apusk_gemm_block block = {
      .a = state, .a_row = hidden, .a_k = 1,
      .c = chain->sums + gate * hidden, .c_row = gates * hidden, .rows = chain->items, .n = hidden, .k = hidden,
      .first_panel = first, .end_panel = end,
  };
  if (args->half_type != 0) {
    block.half_type = args->half_type;
    block.half = (const uint16_t *)args->r + number * (apusk_gemm_half_packed_bytes(&gemm->kernels, hidden, hidden) / 2);
  } else {
    block.b = (const float *)args->r + number * (apusk_gemm_packed_bytes(&gemm->kernels, hidden, hidden) / 4);
  }
  apusk_gemm_block_run(gemm, &block, chain->scratch);
}

// The gates first_gate ..< end_gate, in turns forwards and backwards: where R is larger than a cache, each time step begins
// with the part of R that the one before left there.
static void multiply_gates(const chain *chain, const float *state, int64_t first_gate, int64_t end_gate, int64_t first,
                           int64_t end, int backwards) {
  const apusk_block_weights *w = &chain->args->weights;
  if (w->bits != 0) {
    for (int64_t i = 0; i < chain->items; i++) {
      apusk_block_digits_of(chain->args->block_kernels, w, state + i * chain->args->hidden, 0, apusk_block_chunks(w),
                            (char *)chain->scratch + i * apusk_block_digits_bytes(w));
    }
  }
  const int64_t together = 4;  // panels that the product of one row reads side by side
  int64_t groups = apusk_divide_up(end - first, together), count = (end_gate - first_gate) * groups;
  for (int64_t i = 0; i < count; i++) {
    int64_t turn = backwards ? count - 1 - i : i;
    int64_t panel = first + turn % groups * together;
    const int64_t last = panel + together < end ? panel + together : end;
    if (w->bits != 0) {
      multiply_blocks(chain, first_gate + turn / groups, panel, last);
    } else {
      multiply(chain, state, first_gate + turn / groups, panel, last);
    }
  }
}

// The columns begin ..< end of all items after the products. `step` counts from the first that is computed.
static void finish_items(const chain *chain, apusk_recurrent_cell_function function, int64_t step, int64_t begin, int64_t end) {
  const apusk_recurrent_args *args = chain->args;
  int64_t hidden = args->hidden, gates = apusk_recurrent_gates(args->kind) * hidden, d = chain->direction;
  int reverse = args->direction == APUSK_RECURRENT_REVERSE || d == 1;
  size_t bytes = sizeof(float) * (size_t)(end - begin);
  for (int64_t i = 0; i < chain->items; i++) {
    int64_t item = chain->first + i, length = args->sequence_lens ? args->sequence_lens[item] : args->steps;
    int64_t t = reverse && step < length ? length - 1 - step : step;
    float *y = args->y ? (float *)args->y + t * args->y_t + d * args->y_d + item * args->y_b : NULL;
    float *next = chain->h[(step + 1) % 2] + i * hidden, *c = chain->c + i * hidden;
    const float *h = chain->h[step % 2] + i * hidden;
    if (step < length) {
      apusk_recurrent_cell cell = {
          .args = args, .gates = gates, .direction = (int32_t)d, .sums = chain->sums + i * gates,
          .xw = (const float *)args->xw + t * args->xw_t + item * args->xw_b + d * gates,
          .bias = args->bias ? (const float *)args->bias + d * 2 * gates : NULL,
          .peephole = args->peephole ? (const float *)args->peephole + d * 3 * hidden : NULL,
          .h = h, .next = next, .c = c, .z = chain->z + i * hidden, .y = y,
      };
      function(&cell, begin, end);
    } else {
      memcpy(next + begin, h + begin, bytes);
      if (y) memset(y + begin, 0, bytes);
    }
    if (step + 1 == args->steps) {
      int64_t offset = state_offset(chain, i) + begin;
      if (args->y_h) memcpy((float *)args->y_h + offset, next + begin, bytes);
      if (args->y_c) memcpy((float *)args->y_c + offset, c + begin, bytes);
    }
  }
}

int64_t apusk_recurrent_f32_phases(const apusk_recurrent_args *args) {
  return args->kind == APUSK_GRU && !args->linear_before_reset ? 2 * args->steps : args->steps;
}

static void do_part(const chain *chain, int64_t phase, int64_t part) {
  const apusk_recurrent_args *args = chain->args;
  int64_t nr = apusk_recurrent_panel(args, chain->level->gemm);
  int64_t panels = apusk_divide_up(args->hidden, nr), parts = args->parts;
  int64_t first = panels * part / parts, end = panels * (part + 1) / parts;
  int64_t begin_column = first * nr, end_column = end * nr < args->hidden ? end * nr : args->hidden;
  int64_t per_step = apusk_recurrent_f32_phases(args) / args->steps, step = phase / per_step;
  const float *h = chain->h[step % 2];
  if (per_step == 1) {
    multiply_gates(chain, h, 0, apusk_recurrent_gates(args->kind), first, end, step % 2);
    finish_items(chain, chain->level->cells[args->kind], step, begin_column, end_column);
  } else if (phase % 2 == 0) {
    multiply_gates(chain, h, 0, 2, first, end, 0);
    finish_items(chain, chain->level->reset, step, begin_column, end_column);
  } else {
    multiply_gates(chain, chain->c, 2, 3, first, end, 0);
    finish_items(chain, chain->level->cells[APUSK_GRU], step, begin_column, end_column);
  }
}

int32_t apusk_recurrent_f32_run(const apusk_recurrent_level *level, const apusk_recurrent_args *args, int64_t begin,
                                int64_t end, apusp_worker *worker) {
  for (int64_t unit = begin; unit < end; unit++) {
    chain chain = chain_of(args, unit / args->parts);
    chain.level = level;
    chain.scratch = worker->scratch;
    if (args->parts > 1) {
      do_part(&chain, worker->phase, unit % args->parts);
    } else {
      for (int64_t phase = 0; phase < apusk_recurrent_f32_phases(args); phase++) do_part(&chain, phase, 0);
    }
  }
  return 0;
}
