// Trains a small network on the exclusive or, then loads the model that is named by the first argument. Both modules have a
// type Tensor; a program that imports both says which one it means.
import Apus
import ApusTraining

let context = try Context(threads: 1)
var generator = RandomGenerator(seed: 1)
let network = Sequential(
  try Linear(2, 16, using: &generator), Tanh(), try Linear(16, 2, using: &generator))
let points = try ApusTraining.Tensor([0, 0, 0, 1, 1, 0, 1, 1], shape: [4, 2])
let data = try TensorDataset(inputs: points, classes: [0, 1, 1, 0])
let trainer = try Trainer(
  network, loss: CrossEntropyLoss(), optimizer: SGD(network, learningRate: 0.5, momentum: 0.9), context: context)
try trainer.fit(data, epochs: 200, batchSize: 4)
let accuracy = try trainer.evaluate(data).accuracy
print("exclusive or, accuracy:", accuracy ?? 0)
guard accuracy == 1 else { fatalError("a network with 16 hidden units should learn the exclusive or") }

let model = try Model.load(contentsOfFile: CommandLine.arguments[1])
print("model with \(model.inputs.count) input and \(model.outputs.count) output")
