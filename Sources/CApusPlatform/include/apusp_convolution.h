// Which algorithm convolutions use: what the environment asks for, for tests and comparisons.
#ifndef APUSP_CONVOLUTION_H
#define APUSP_CONVOLUTION_H

#include "apusp_base.h"

APUSP_BEGIN

enum {
  APUSP_CONVOLUTION_AUTO = -1,     // by the sizes
  APUSP_CONVOLUTION_DIRECT = 0,
  APUSP_CONVOLUTION_WINOGRAD2 = 2, // wherever it can compute the convolution
  APUSP_CONVOLUTION_WINOGRAD4 = 4,
  APUSP_CONVOLUTION_WINOGRAD6 = 6
};

// The choice of the environment variable APUS_CONV: "auto", "direct", "winograd2", "winograd4", "winograd6"; unset or
// empty is "auto".
// Returns 0, or 103 for another name: then `message` (may be NULL) holds a sentence of at most message_size - 1 bytes.
APUSP_NODISCARD int32_t apusp_convolution_select_from_environment(int32_t *APUSP_NONNULL choice, char *APUSP_NULLABLE message,
                                                                  size_t message_size);

APUSP_END
#endif
