// ApusFormatTests
