// ApusFormatWriter
