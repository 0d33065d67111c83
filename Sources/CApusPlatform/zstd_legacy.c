// Debian's libzstd reads the frames of zstd 0.5 to 0.7 too, with decoders that take 75 kB. An .apus file holds frames of the
// current format only, and the reader refuses any other magic number before it calls zstd. So libapus defines these decoders'
// entry points itself, and the linker leaves the real ones in their archive.
#ifdef APUS_LIBRARY
#include <stddef.h>

#define APUSP_NO_LEGACY(version)                                                                                             \
  void *ZSTDv##version##_createDCtx(void) { return NULL; }                                                                   \
  size_t ZSTDv##version##_freeDCtx(void *context) { return (void)context, 0; }                                               \
  size_t ZSTDv##version##_decompress_usingDict(void *context, void *target, size_t capacity, const void *source,             \
                                               size_t size, const void *dictionary, size_t dictionary_size) {                \
    return (void)context, (void)target, (void)capacity, (void)source, (void)size, (void)dictionary, (void)dictionary_size,   \
           (size_t)-1;                                                                                                       \
  }                                                                                                                          \
  size_t ZSTDv##version##_getFrameParams(void *parameters, const void *source, size_t size) {                                \
    return (void)parameters, (void)source, (void)size, (size_t)-1;                                                           \
  }                                                                                                                          \
  void *ZBUFFv##version##_createDCtx(void) { return NULL; }                                                                  \
  size_t ZBUFFv##version##_freeDCtx(void *context) { return (void)context, 0; }                                              \
  size_t ZBUFFv##version##_decompressInitDictionary(void *context, const void *dictionary, size_t size) {                    \
    return (void)context, (void)dictionary, (void)size, (size_t)-1;                                                          \
  }                                                                                                                          \
  size_t ZBUFFv##version##_decompressContinue(void *context, void *target, size_t *capacity, const void *source,             \
                                              size_t *size) {                                                                \
    return (void)context, (void)target, (void)capacity, (void)source, (void)size, (size_t)-1;                                \
  }                                                                                                                          \
  void ZSTDv##version##_findFrameSizeInfoLegacy(const void *source, size_t size, size_t *stored, unsigned long long *bound) { \
    (void)source, (void)size;                                                                                                \
    *stored = (size_t)-1;                                                                                                    \
    *bound = (unsigned long long)-2;                                                                                         \
  }

APUSP_NO_LEGACY(05)
APUSP_NO_LEGACY(06)
APUSP_NO_LEGACY(07)
#endif
