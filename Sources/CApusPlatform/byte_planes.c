#include <string.h>

#include "apusp_memory.h"

void apusp_join_byte_planes4(const void *source, int64_t count, void *target) {
  const unsigned char *restrict first = source, *restrict second = first + count, *restrict third = second + count,
                               *restrict fourth = third + count;
  unsigned char *restrict to = target;
  for (int64_t i = 0; i < count; i++) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint32_t element = first[i] | (uint32_t)second[i] << 8 | (uint32_t)third[i] << 16 | (uint32_t)fourth[i] << 24;
    memcpy(to + 4 * i, &element, 4);
#else
#error "Apus runs on little-endian machines"
#endif
  }
}
