// ApusCTests
