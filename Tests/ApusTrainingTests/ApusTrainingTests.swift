// ApusTrainingTests
