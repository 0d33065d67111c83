// Umbrella header of CApusKernels: leaf kernels, their argument blocks and the plan that each makes for a step.
#ifndef APUSK_H
#define APUSK_H

#include "apusk_axis.h"
#include "apusk_cast.h"
#include "apusk_conv.h"
#include "apusk_conv_integer.h"
#include "apusk_conv_nd.h"
#include "apusk_deform_conv.h"
#include "apusk_element_type.h"
#include "apusk_elementwise.h"
#include "apusk_gemm.h"
#include "apusk_index.h"
#include "apusk_level.h"
#include "apusk_loss.h"
#include "apusk_math.h"
#include "apusk_movement.h"
#include "apusk_normalization.h"
#include "apusk_optimizer.h"
#include "apusk_pool.h"
#include "apusk_pool_nd.h"
#include "apusk_quantize.h"
#include "apusk_random.h"
#include "apusk_recurrent.h"
#include "apusk_reduce.h"
#include "apusk_resample.h"
#include "apusk_softmax.h"
#include "apusk_tail.h"
#include "apusp_step.h"

#endif
