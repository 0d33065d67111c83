// Umbrella header of CApusKernels: leaf kernels, their argument blocks and the table for each instruction set.
#ifndef APUSK_H
#define APUSK_H

#include "apusp_step.h"

#endif
