#define _GNU_SOURCE
#include "apusp_cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apusp_status.h"

static const char *const level_names[] = {"portable", "avx2", "avx512"};
enum { level_count = sizeof level_names / sizeof level_names[0] };

// --- Detection ---

#if defined(__x86_64__)

#include <cpuid.h>

static bool has(uint32_t word, int bit) { return (word >> bit & 1) != 0; }

// Which register states the system saves on a context switch (XCR0).
static uint64_t saved_states(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

static void detect_instructions(apusp_cpu *cpu) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return;
  const uint64_t ymm = 0x06, zmm = 0xe6;
  uint64_t states = has(c, 27) ? saved_states() : 0;
  bool fma = has(c, 12), f16c = has(c, 29);
  uint32_t a1 = 0, b7, c7, d7;
  if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return;
  if (a >= 1 && !__get_cpuid_count(7, 1, &a1, &b, &c, &d)) return;

  if ((states & ymm) != ymm || !has(b7, 5) || !fma || !f16c) return;
  cpu->level = APUSP_LEVEL_AVX2;
  if (has(a1, 4)) cpu->features |= APUSP_FEATURE_AVX_VNNI;

  bool f = has(b7, 16), dq = has(b7, 17), bw = has(b7, 30), vl = has(b7, 31);
  if ((states & zmm) != zmm || !f || !dq || !bw || !vl) return;
  cpu->level = APUSP_LEVEL_AVX512;
  if (has(c7, 11)) cpu->features |= APUSP_FEATURE_AVX512_VNNI;
  if (has(a1, 5)) cpu->features |= APUSP_FEATURE_AVX512_BF16;
  if (has(d7, 23)) cpu->features |= APUSP_FEATURE_AVX512_FP16;
}

static void detect_brand(apusp_cpu *cpu) {
  uint32_t words[12];
  for (uint32_t i = 0; i < 3; i++) {
    uint32_t *w = words + 4 * i;
    if (!__get_cpuid(0x80000002u + i, &w[0], &w[1], &w[2], &w[3])) return;
  }
  char text[sizeof words + 1];
  memcpy(text, words, sizeof words);
  text[sizeof words] = 0;
  const char *start = text + strspn(text, " ");  // some CPUs pad on the left
  size_t length = strlen(start);
  while (length > 0 && start[length - 1] == ' ') length--;
  if (length == 0) return;
  memcpy(cpu->brand, start, length);
  cpu->brand[length] = 0;
}

#else

static void detect_instructions(apusp_cpu *cpu) { (void)cpu; }
static void detect_brand(apusp_cpu *cpu) { (void)cpu; }

#endif

static uint64_t cache_bytes(int name, uint64_t otherwise) {
  long size = sysconf(name);
  return size > 0 ? (uint64_t)size : otherwise;
}

void apusp_cpu_detect(apusp_cpu *cpu) {
  memset(cpu, 0, sizeof *cpu);
  memcpy(cpu->brand, "unknown", sizeof "unknown");
  cpu->l1_bytes = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32 << 10);
  cpu->l2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 512 << 10);
  cpu->l3_bytes = cache_bytes(_SC_LEVEL3_CACHE_SIZE, 0);
  detect_instructions(cpu);
  detect_brand(cpu);
}

// --- Choice ---

const char *apusp_cpu_level_name(int32_t level) {
  return level >= 0 && level < level_count ? level_names[level] : "unknown";
}

// `subject` begins the message: who asked for the level.
static int32_t select_level(const char *subject, const char *name, apusp_cpu *cpu, char *message, size_t size) {
  apusp_cpu_detect(cpu);
  if (message && size > 0) message[0] = 0;
  if (!name || !*name) return APUSP_OK;
  int32_t level = 0;
  while (level < level_count && strcmp(name, level_names[level]) != 0) level++;
  if (level == level_count) {
    if (message) snprintf(message, size, "%s '%.32s' is not one of portable, avx2, avx512", subject, name);
    return APUSP_UNKNOWN_NAME;
  }
  if (level > cpu->level) {
    if (message)
      snprintf(message, size, "%s %s is not supported by this CPU (%s), whose best level is %s", subject, name,
               cpu->brand, level_names[cpu->level]);
    return APUSP_UNSUPPORTED;
  }
  cpu->level = level;
  if (level == APUSP_LEVEL_PORTABLE) cpu->features = 0;
  if (level == APUSP_LEVEL_AVX2) cpu->features &= APUSP_FEATURE_AVX_VNNI;
  return APUSP_OK;
}

int32_t apusp_cpu_select(const char *name, apusp_cpu *cpu, char *message, size_t message_size) {
  return select_level("CPU level", name, cpu, message, message_size);
}

int32_t apusp_cpu_select_from_environment(apusp_cpu *cpu, char *message, size_t message_size) {
  return select_level("environment variable APUS_CPU:", getenv("APUS_CPU"), cpu, message, message_size);
}

// --- How many ---

// CPUs in this thread's affinity mask; 0 where the system does not say.
static int32_t affinity_count(void) {
  unsigned long mask[1024] = {0};  // 65,536 CPUs; the call fails where the system could have more than fit
  if (sched_getaffinity(0, sizeof mask, (cpu_set_t *)mask) != 0) return 0;
  int32_t count = 0;
  for (size_t i = 0; i < sizeof mask / sizeof mask[0]; i++) count += __builtin_popcountl(mask[i]);
  return count;
}

int32_t apusp_cpu_usable_count(void) {
  int32_t count = affinity_count();
  int32_t quota = apusp_cpu_quota("");
  if (quota > 0 && quota < count) count = quota;
  return count > 0 ? count : 1;
}
