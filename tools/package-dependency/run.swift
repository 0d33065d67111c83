// Loads the model that is named by the first argument and runs it on a batch of two.
import Apus

let model = try Model.load(contentsOfFile: CommandLine.arguments[1])
let session = try Session(model: model)
let images = try Tensor([Float](repeating: 0.5, count: 2 * 36), shape: [2, 1, 6, 6])
let outputs = try session.run(["input": images])
guard let probabilities = try outputs["probabilities"]?.values(as: Float.self) else {
  fatalError("the model should have an output called probabilities")
}
print("probabilities:", probabilities)
guard probabilities.count == 32, abs(probabilities[0..<16].reduce(0, +) - 1) < 1e-5 else {
  fatalError("sixteen probabilities for each of two images should sum to one")
}
