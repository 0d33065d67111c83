#include <math.h>
#include <stddef.h>

#include "../include/apusk_machine_learning.h"
#include "transform.h"

#pragma clang fp contract(off)

static bool is_true(const apusk_trees_args *args, const apusk_tree_node *node, double x) {
  if (x != x && node->nan_is_true) return true;
  switch (node->mode) {
    case APUSK_TREE_LEQ: return x <= node->split;
    case APUSK_TREE_LT: return x < node->split;
    case APUSK_TREE_GTE: return x >= node->split;
    case APUSK_TREE_GT: return x > node->split;
    case APUSK_TREE_EQ: return x == node->split;
    case APUSK_TREE_NEQ: return x != node->split;
    default:
      for (int64_t m = node->first_member; m < node->end_member; m++) {
        if (x == args->members[m]) return true;
      }
      return false;
  }
}

static void add_vote(const apusk_trees_args *args, double *scores, char *seen, apusk_tree_vote vote) {
  double old = scores[vote.target], weight = vote.weight;
  bool first = !seen[vote.target];
  seen[vote.target] = 1;
  switch (args->aggregate) {
    case APUSK_AGGREGATE_MIN: scores[vote.target] = first || weight < old ? weight : old; break;
    case APUSK_AGGREGATE_MAX: scores[vote.target] = first || weight > old ? weight : old; break;
    default: scores[vote.target] = old + weight;
  }
}

static int32_t trees(const void *args_, int64_t begin, int64_t end, apusp_worker *worker) {
  const apusk_trees_args *args = args_;
  double *scores = worker->scratch;
  char *seen = (char *)(scores + args->targets);
  for (int64_t row = begin; row < end; row++) {
    for (int64_t t = 0; t < args->targets; t++) {
      scores[t] = 0;
      seen[t] = 0;
    }
    for (int64_t tree = 0; tree < args->trees; tree++) {
      int64_t at = args->roots[tree];
      while (at >= 0) {
        const apusk_tree_node *node = &args->nodes[at];
        int64_t place = row * args->features + node->feature;
        double x = args->input_type == APUSK_FLOAT32 ? ((const float *)args->input)[place]
                                                     : ((const double *)args->input)[place];
        at = is_true(args, node, x) ? node->on_true : node->on_false;
      }
      int64_t leaf = -1 - at;
      for (int64_t v = args->leaves[leaf]; v < args->leaves[leaf + 1]; v++) add_vote(args, scores, seen, args->votes[v]);
    }
    for (int64_t t = 0; t < args->targets; t++) {
      if (args->aggregate == APUSK_AGGREGATE_AVERAGE) scores[t] /= (double)args->trees;
      if (args->base) scores[t] += args->base[t];
    }
    apusk_transform_scores(scores, args->targets, args->transform);
    for (int64_t t = 0; t < args->targets; t++) {
      int64_t place = row * args->targets + t;
      if (args->output_type == APUSK_FLOAT32) {
        ((float *)args->output)[place] = (float)scores[t];
      } else {
        ((double *)args->output)[place] = scores[t];
      }
    }
  }
  return 0;
}

static bool is_float(int32_t type) { return type == APUSK_FLOAT32 || type == APUSK_FLOAT64; }

int32_t apusk_trees_plan(const apusk_trees_args *args, apusk_plan *plan) {
  if (args->aggregate < APUSK_AGGREGATE_AVERAGE || args->aggregate > APUSK_AGGREGATE_MAX) return 100;
  if (!apusk_is_transform(args->transform)) return 100;
  if (!is_float(args->input_type) || !is_float(args->output_type)) return 502;
  *plan = (apusk_plan){
      .kernel = trees,
      .units = args->rows,
      .grain = 1 + 1024 / (args->trees + 1),
      .scratch_bytes = args->targets * (int64_t)(sizeof(double) + 1)};
  return 0;
}
