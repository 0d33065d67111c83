#define _GNU_SOURCE
#include "include/apusp_number_text.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// More digits than any number that is meant as one has.
enum { longest = 511 };

static locale_t plain;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_plain(void) { plain = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

static int is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int32_t apusp_number_from_text(const char *text, int64_t length, double *number) {
  while (length > 0 && is_space(text[0])) text++, length--;
  while (length > 0 && is_space(text[length - 1])) length--;
  if (length == 0 || length > longest) return 105;
  char buffer[longest + 1];
  memcpy(buffer, text, (size_t)length);
  buffer[length] = 0;
  const char *magnitude = buffer + (buffer[0] == '+' || buffer[0] == '-');
  if (strncasecmp(magnitude, "inf", 4) == 0 || strncasecmp(magnitude, "infinity", 9) == 0) {
    *number = buffer[0] == '-' ? -INFINITY : INFINITY;
    return 0;
  }
  if (strncasecmp(magnitude, "nan", 4) == 0) {
    *number = NAN;
    return 0;
  }
  // strtod knows more forms than these.
  if (strspn(magnitude, "0123456789.eE+-") != strlen(magnitude)) return 105;
  pthread_once(&once, make_plain);
  if (!plain) return 105;
  char *end = buffer;
  *number = strtod_l(buffer, &end, plain);
  return end == buffer + length ? 0 : 105;
}
