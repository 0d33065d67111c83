#include "apusw.h"
