// OpenBLAS as a Swift module, with a cure for versions that do not know the CPU they run on.
#ifndef APUS_COPENBLAS_SHIM_H
#define APUS_COPENBLAS_SHIM_H

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

// Present in builds with DYNAMIC_ARCH, as distributions ship them; weak, so that others link too.
extern void gotoblas_dynamic_quit(void) __attribute__((weak));
extern void gotoblas_dynamic_init(void) __attribute__((weak));

// Whether the kernels called `core` predate AVX2: what a DYNAMIC_ARCH build falls back to on a CPU newer than itself.
static inline int apus_openblas_is_fallback_core(const char *core) {
  static const char *const fallbacks[] = {"Prescott", "Core2",    "Penryn",  "Dunnington", "Nehalem", "Atom",
                                          "Northwood", "Katmai",  "Banias",  "Athlon",     "Opteron", "Opteron_SSE3",
                                          "Barcelona", "Bobcat",  "Nano",    "Generic",    "Unknown"};
  for (size_t i = 0; i < sizeof fallbacks / sizeof fallbacks[0]; ++i) {
    if (strcmp(core, fallbacks[i]) == 0) return 1;
  }
  return 0;
}

// Sets OpenBLAS to one thread and, where it chose kernels older than the CPU's instructions (0.3.21 does on newer Intel models:
// a fifth of the speed), selects it again with the right core name. A user's own OPENBLAS_CORETYPE is obeyed. Returns the name
// of the core in use. To be called once, before any other use and while no other thread uses OpenBLAS.
static inline const char *apus_openblas_start(int has_avx2, int has_avx512) {
  if (has_avx2 && getenv("OPENBLAS_CORETYPE") == NULL && apus_openblas_is_fallback_core(openblas_get_corename()) &&
      gotoblas_dynamic_quit && gotoblas_dynamic_init) {
    setenv("OPENBLAS_CORETYPE", has_avx512 ? "SkylakeX" : "Haswell", 1);
    gotoblas_dynamic_quit();
    gotoblas_dynamic_init();
    // Programs that this process starts shall choose for themselves.
    unsetenv("OPENBLAS_CORETYPE");
  }
  openblas_set_num_threads(1);
  return openblas_get_corename();
}

#endif
