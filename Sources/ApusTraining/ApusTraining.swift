// ApusTraining
