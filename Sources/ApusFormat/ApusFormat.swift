// ApusFormat
