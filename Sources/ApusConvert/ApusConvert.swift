// ApusConvert
