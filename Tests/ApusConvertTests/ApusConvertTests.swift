// ApusConvertTests
