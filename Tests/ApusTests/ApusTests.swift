// ApusTests
