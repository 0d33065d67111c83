// What becomes of the scores of a row.
#ifndef APUSK_TRANSFORM_H
#define APUSK_TRANSFORM_H

#include <stdbool.h>
#include <stdint.h>

// Transforms `count` scores in place by APUSK_TRANSFORM_*.
void apusk_transform_scores(double *scores, int64_t count, int32_t transform);
bool apusk_is_transform(int32_t transform);

#endif
