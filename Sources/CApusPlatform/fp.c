#include "apusp_fp.h"

#if defined(__x86_64__)

#include <xmmintrin.h>

// All six exceptions masked, round to nearest even, neither flush to zero nor denormals-are-zero, no sticky flags.
static const unsigned int kernel_mode = 0x1f80;

uint64_t apusp_fp_enter(void) {
  unsigned int saved = _mm_getcsr();
  _mm_setcsr(kernel_mode);
  return saved;
}

void apusp_fp_leave(uint64_t saved) { _mm_setcsr((unsigned int)saved); }

#elif defined(__aarch64__)

// FPCR 0: no traps, round to nearest even, no flush to zero, NaNs propagate. FPSR holds the sticky flags.
uint64_t apusp_fp_enter(void) {
  uint64_t control, flags;
  __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(control), "=r"(flags));
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0) : "memory");
  return control << 32 | (flags & 0xffffffffu);
}

void apusp_fp_leave(uint64_t saved) {
  __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(saved >> 32), "r"(saved & 0xffffffffu) : "memory");
}

#else
#error "state the floating-point mode of this processor"
#endif
