// A lock at a fixed address, for Swift classes. Never taken while a prepared model runs.
#ifndef APUSP_MUTEX_H
#define APUSP_MUTEX_H

#include "apusp_base.h"

APUSP_BEGIN

typedef struct apusp_mutex apusp_mutex;

// NULL where the system has no memory for it. Not recursive.
apusp_mutex *APUSP_NULLABLE apusp_mutex_create(void);
void apusp_mutex_lock(apusp_mutex *APUSP_NONNULL mutex);
void apusp_mutex_unlock(apusp_mutex *APUSP_NONNULL mutex);
void apusp_mutex_destroy(apusp_mutex *APUSP_NONNULL mutex);

APUSP_END
#endif
