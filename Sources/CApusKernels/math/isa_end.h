// Closes a file of kernels that an isa_*.h opened.
#if APUSK_ISA > 0
#pragma clang attribute pop
#endif
