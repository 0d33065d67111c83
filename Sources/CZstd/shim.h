// The decoder works in memory that the caller gives it (ZSTD_initStaticDCtx), which zstd counts to its static API.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>
