// Writes the checkpoint of a model that nobody trained, with weights from a seed: for tests and benchmarks of what comes after.
//
//     swift run -c release export-model lstm lstm.safetensors

import ApusTraining
import Glibc

func fail(_ message: String) -> Never {
  let line = Array((message + "\n").utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(1)
}

let arguments = CommandLine.arguments
guard arguments.count == 3 || arguments.count == 4, let seed = UInt64(arguments.count == 4 ? arguments[3] : "1") else {
  fail("usage: export-model lenet|mlp|resnet|lstm CHECKPOINT [SEED]")
}

do {
  var generator = RandomGenerator(seed: seed)
  let context = try Context(threads: 1)
  let model: any Module
  var export: Export
  switch arguments[1] {
  case "lenet":
    model = try LeNet5(using: &generator)
    export = Export(inputShape: [1, 28, 28])
  case "mlp":
    model = try MultilayerPerceptron([784, 256, 128, 10], using: &generator)
    export = Export(inputShape: [1, 28, 28])
  case "resnet":
    model = try SmallResNet(using: &generator)
    export = Export(inputShape: [1, 28, 28])
  case "lstm":
    model = try LSTMClassifier(features: 28, hidden: 64, classes: 10, using: &generator)
    export = Export(inputShape: [28, 28])
  default: fail("there is no model '\(arguments[1])'")
  }
  export.name = arguments[1]
  for batch in [1, 3] {
    let shape = [batch] + export.inputShape
    let values = (0..<shape.reduce(1, *)).map { _ in generator.nextUniform() }
    export.testInputs.append(try Tensor(values, shape: shape, context: context))
  }
  // A batch in training mode gives batch normalization statistics that are not 0 and 1.
  let warmth = (0..<8 * export.inputShape.reduce(1, *)).map { _ in generator.nextUniform() }
  try context.with(training: true, gradients: false) {
    _ = try model(try Tensor(warmth, shape: [8] + export.inputShape, context: context))
  }
  try Checkpoint.save(model, export: export, in: context, to: arguments[2])
  print("wrote \(arguments[2]): \(model.parameterCount) parameters")
} catch {
  fail("export-model: \(error)")
}
