// What this CPU can do and how much of it this process may use.
#ifndef APUSP_CPU_H
#define APUSP_CPU_H

#include "apusp_base.h"

APUSP_BEGIN

// Instruction set levels, each with all of the one before.
enum {
  APUSP_LEVEL_PORTABLE = 0,  // what the compiler's baseline has
  APUSP_LEVEL_AVX2 = 1,      // AVX2, FMA, F16C
  APUSP_LEVEL_AVX512 = 2     // AVX-512 F, BW, DQ, VL; the system saves zmm registers
};

// Extensions beyond a level, as bits.
enum {
  APUSP_FEATURE_AVX_VNNI = 1 << 0,     // int8 dot products on ymm without AVX-512
  APUSP_FEATURE_AVX512_VNNI = 1 << 1,  // int8 dot products on zmm
  APUSP_FEATURE_AVX512_BF16 = 1 << 2,
  APUSP_FEATURE_AVX512_FP16 = 1 << 3
};

typedef struct apusp_cpu {
  int32_t level;
  uint32_t features;     // only those that go with the level: none for portable, AVX-VNNI for avx2
  uint64_t l1_bytes;     // data cache of one core
  uint64_t l2_bytes;     // of one core
  uint64_t l3_bytes;     // shared; 0 where there is none
  char brand[64];        // the CPU's own name, UTF-8, NUL-terminated
} apusp_cpu;

// What the hardware and the system offer.
void apusp_cpu_detect(apusp_cpu *APUSP_NONNULL cpu);

// apusp_cpu_detect, brought down to the level that `name` asks for: "portable", "avx2", "avx512", or "" or NULL for the
// best. Returns 0, 103 for another name, or 505 where this CPU lacks the level; then `message` (may be NULL) holds a
// sentence of at most message_size - 1 bytes that says which and what is possible, and `cpu` is what was detected.
APUSP_NODISCARD int32_t apusp_cpu_select(const char *APUSP_NULLABLE name, apusp_cpu *APUSP_NONNULL cpu,
                                         char *APUSP_NULLABLE message, size_t message_size);

// apusp_cpu_select for the environment variable APUS_CPU; the message names the variable.
APUSP_NODISCARD int32_t apusp_cpu_select_from_environment(apusp_cpu *APUSP_NONNULL cpu, char *APUSP_NULLABLE message,
                                                          size_t message_size);

// "portable", "avx2" or "avx512"; "unknown" for another number.
const char *APUSP_NONNULL apusp_cpu_level_name(int32_t level);

// How many threads are worth having: the CPUs of this thread's affinity mask, at most the container's CPU quota rounded
// up, at least 1.
int32_t apusp_cpu_usable_count(void);

// The CPU quota of the process's control groups (v1 and v2, the strictest of the group and those above it), rounded up to
// whole CPUs; 0 where there is none. Reads <root>/proc/self/{cgroup,mountinfo} and what these point to below `root`;
// "" is the running system.
int32_t apusp_cpu_quota(const char *APUSP_NONNULL root);

APUSP_END
#endif
