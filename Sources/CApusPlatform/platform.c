#include "apusp.h"
