// CApusPlatformTests
