// Umbrella header of CApusPlatform: all that touches the operating system or the CPU's identity.
#ifndef APUSP_H
#define APUSP_H

#include "apusp_step.h"

#endif
