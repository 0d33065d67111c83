// Umbrella header of CApusPlatform: all that touches the operating system or the CPU's identity.
#ifndef APUSP_H
#define APUSP_H

#include "apusp_clock.h"
#include "apusp_convolution.h"
#include "apusp_cpu.h"
#include "apusp_execute.h"
#include "apusp_file.h"
#include "apusp_fp.h"
#include "apusp_memory.h"
#include "apusp_mutex.h"
#include "apusp_number_text.h"
#include "apusp_pool.h"
#include "apusp_reserve.h"
#include "apusp_run_control.h"
#include "apusp_status.h"
#include "apusp_step.h"

#endif
