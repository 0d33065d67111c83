#include <stdbool.h>

#include "../include/apusk_resample.h"

#pragma clang fp contract(off)

typedef struct box {
  float top, left, bottom, right;
} box;

static box box_of(const float *p, bool centered) {
  if (centered) {
    float half_width = p[2] / 2, half_height = p[3] / 2;
    return (box){p[1] - half_height, p[0] - half_width, p[1] + half_height, p[0] + half_width};
  }
  return (box){
      p[0] < p[2] ? p[0] : p[2], p[1] < p[3] ? p[1] : p[3], p[0] < p[2] ? p[2] : p[0], p[1] < p[3] ? p[3] : p[1]};
}

static bool overlaps(box a, box b, float threshold) {
  float top = a.top > b.top ? a.top : b.top, bottom = a.bottom < b.bottom ? a.bottom : b.bottom;
  float left = a.left > b.left ? a.left : b.left, right = a.right < b.right ? a.right : b.right;
  if (!(bottom > top) || !(right > left)) return false;
  float common = (right - left) * (bottom - top);
  float area_a = (a.right - a.left) * (a.bottom - a.top), area_b = (b.right - b.left) * (b.bottom - b.top);
  float all = area_a + area_b - common;
  if (!(common > 0) || !(area_a > 0) || !(area_b > 0) || !(all > 0)) return false;
  return common / all > threshold;
}

int64_t apusk_non_max_suppression(
    const float *boxes, const float *scores, int64_t count, int32_t centered, float iou_threshold, float score_threshold,
    int64_t limit, int64_t *candidates, int64_t *selected) {
  int64_t *from = candidates, *to = candidates + count;
  int64_t found = 0;
  for (int64_t i = 0; i < count; i++) {
    if (scores[i] > score_threshold) from[found++] = i;
  }
  // Best first, equal ones in their order: a stable merge sort.
  for (int64_t width = 1; width < found; width *= 2) {
    for (int64_t begin = 0; begin < found; begin += 2 * width) {
      int64_t middle = begin + width < found ? begin + width : found;
      int64_t end = middle + width < found ? middle + width : found;
      int64_t left = begin, right = middle;
      for (int64_t at = begin; at < end; at++) {
        bool takes_left = left < middle && (right >= end || scores[from[left]] >= scores[from[right]]);
        to[at] = takes_left ? from[left++] : from[right++];
      }
    }
    int64_t *swap = from;
    from = to;
    to = swap;
  }
  int64_t kept = 0;
  for (int64_t i = 0; i < found && kept < limit; i++) {
    box candidate = box_of(boxes + 4 * from[i], centered != 0);
    bool is_kept = true;
    for (int64_t k = 0; k < kept && is_kept; k++) {
      is_kept = !overlaps(candidate, box_of(boxes + 4 * selected[k], centered != 0), iou_threshold);
    }
    if (is_kept) selected[kept++] = from[i];
  }
  return kept;
}
