// Whether a session is running, and the request to stop: cancel acts on the run in flight and never sticks.
#ifndef APUSP_RUN_CONTROL_H
#define APUSP_RUN_CONTROL_H

#include "apusp_base.h"

APUSP_BEGIN

// One atomic word {generation of the run, state}. No function blocks; all but destroy are safe from any thread.
typedef struct apusp_run_control apusp_run_control;

// NULL where the system has no memory for it.
apusp_run_control *APUSP_NULLABLE apusp_run_control_create(void);
void apusp_run_control_destroy(apusp_run_control *APUSP_NONNULL control);

// Starts a run that nobody has asked to cancel. Returns 0, or 201 (busy) where one is in flight already.
APUSP_NODISCARD int32_t apusp_run_control_begin(apusp_run_control *APUSP_NONNULL control);

// Ends the run in flight, with whatever was asked of it.
void apusp_run_control_end(apusp_run_control *APUSP_NONNULL control);

// Asks the run in flight to stop. Returns whether there was one: without one this does nothing, now or later.
bool apusp_run_control_cancel(apusp_run_control *APUSP_NONNULL control);

bool apusp_run_control_is_running(const apusp_run_control *APUSP_NONNULL control);
bool apusp_run_control_is_cancelled(const apusp_run_control *APUSP_NONNULL control);

APUSP_END
#endif
