// CApusKernelsTests
