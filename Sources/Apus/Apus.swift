// Apus
