// ApusC
