// Numbers written as text.
#ifndef APUSP_NUMBER_TEXT_H
#define APUSP_NUMBER_TEXT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Reads a decimal number such as -12, 3.14 or 1e-5, or inf, +INF, -inf or NaN in any case, that `length` bytes at `text` are
// made of, spaces around it aside; rounded once to nearest, whatever the process's locale. Returns 0, or 105 if they are no
// number.
int32_t apusp_number_from_text(const char *text, int64_t length, double *number);

#ifdef __cplusplus
}
#endif
#endif
