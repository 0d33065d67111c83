#ifndef APUS_H
#define APUS_H
#include <stdint.h>
#endif
