// Sleeping until a word changes.
#ifndef APUSP_FUTEX_H
#define APUSP_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

// Sleeps while *word is `expected`. May return early for no reason: the caller looks again.
void apusp_futex_wait(_Atomic(uint32_t) *word, uint32_t expected);

// Wakes up to `count` threads that sleep on the word.
void apusp_futex_wake(_Atomic(uint32_t) *word, int32_t count);

// Tells the processor that this is a spin loop.
static inline void apusp_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
