#include "apusk.h"
