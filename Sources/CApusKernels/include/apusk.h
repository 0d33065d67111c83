// Umbrella header of CApusKernels: leaf kernels, their argument blocks and the table for each instruction set.
#ifndef APUSK_H
#define APUSK_H

#include "apusk_conv.h"
#include "apusk_gemm.h"
#include "apusk_level.h"
#include "apusk_recurrent.h"
#include "apusk_tail.h"
#include "apusp_step.h"

#endif
