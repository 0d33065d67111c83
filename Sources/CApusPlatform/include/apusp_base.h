// What every header of the platform layer begins with: linkage and nullability, readable by C, C++ and Swift.
#ifndef APUSP_BASE_H
#define APUSP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define APUSP_BEGIN extern "C" {
#define APUSP_END }
#else
#define APUSP_BEGIN
#define APUSP_END
#endif

// Swift imports these as optional and non-optional pointers; other compilers do not know the words.
#if defined(__clang__)
#define APUSP_NULLABLE _Nullable
#define APUSP_NONNULL _Nonnull
#define APUSP_NODISCARD __attribute__((warn_unused_result))
#else
#define APUSP_NULLABLE
#define APUSP_NONNULL
#define APUSP_NODISCARD __attribute__((warn_unused_result))
#endif

#endif
