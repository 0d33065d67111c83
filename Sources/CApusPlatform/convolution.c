#include "apusp_convolution.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apusp_status.h"

int32_t apusp_convolution_select_from_environment(int32_t *choice, char *message, size_t message_size) {
  static const char names[5][10] = {"auto", "direct", "winograd2", "winograd4", "winograd6"};
  static const int8_t choices[5] = {
      APUSP_CONVOLUTION_AUTO, APUSP_CONVOLUTION_DIRECT, APUSP_CONVOLUTION_WINOGRAD2, APUSP_CONVOLUTION_WINOGRAD4,
      APUSP_CONVOLUTION_WINOGRAD6,
  };
  const char *name = getenv("APUS_CONV");
  *choice = APUSP_CONVOLUTION_AUTO;
  if (message && message_size > 0) message[0] = 0;
  if (!name || !*name) return APUSP_OK;
  for (int i = 0; i < 5; i++) {
    if (strcmp(name, names[i]) == 0) {
      *choice = choices[i];
      return APUSP_OK;
    }
  }
  if (message) {
    snprintf(message, message_size,
             "environment variable APUS_CONV: '%.32s' is not one of auto, direct, winograd2, winograd4, winograd6", name);
  }
  return APUSP_UNKNOWN_NAME;
}
