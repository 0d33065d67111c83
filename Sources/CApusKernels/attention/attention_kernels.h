// Template: attention of float32 on the level of the file that includes it.
#include "../math/functions.h"
#include "attention_level.h"

#include "attention_narrow.h"
#include "attention_wide.h"

static int32_t kernel(const void *args, int64_t begin, int64_t end, apusp_worker *worker) {
  return apusk_attention_f32_run(&APUSK_ISA_NAME(apusk_attention), args, begin, end, worker);
}

const apusk_attention_level APUSK_ISA_NAME(apusk_attention) = {
    .multiplies_per_us = APUSK_ISA == 2 ? 40000 : APUSK_ISA == 1 ? 20000 : 250, .wide = wide, .narrow = narrow, .kernel = kernel};
