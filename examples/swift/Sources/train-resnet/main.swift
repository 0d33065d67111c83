// Trains a narrow ResNet-18 (four stages of two basic blocks at 16, 32, 64 and 128 channels, the stem halves the image) on
// Fashion-MNIST and saves a checkpoint that `modelconv convert` takes.
//
//     swift run -c release train-resnet --checkpoint resnet18.safetensors

import ApusTraining

let usage = """
  usage: train-resnet [--data FOLDER] [--checkpoint FILE] [--epochs N] [--batch N] [--seed N] [--threads N]
    --data        folder of the four IDX files       (\(MNIST.fashionFolder))
    --checkpoint  where the trained model goes       (resnet18.safetensors)
    --epochs      times that each image is seen      (4)
    --batch       images in a step                   (64)
    --seed        of the weights and the order       (1)
    --threads     0: one for each CPU                (0)
  """

do {
  let options = try Options(
    CommandLine.arguments.dropFirst(),
    defaults: [
      "--data": MNIST.fashionFolder, "--checkpoint": "resnet18.safetensors", "--epochs": "4", "--batch": "64", "--seed": "1",
      "--threads": "0",
    ], usage: usage)
  let seed = UInt64(try options.number("--seed"))
  let context = try Context(threads: options.number("--threads"), seed: seed)
  let data = try MNIST(folder: options.text("--data"))
  var generator = RandomGenerator(seed: seed)
  let model = try SmallResNet(widths: [16, 32, 64, 128], blocks: 2, stride: 2, using: &generator)
  print("\(data.training.count) images to train, \(data.test.count) to test; \(model.parameterCount) parameters")

  let trainer = Trainer(
    model, loss: try CrossEntropyLoss(), optimizer: try AdamW(model, learningRate: 3e-3, weightDecay: 1e-2),
    schedule: .cosine(rate: 3e-3, warmup: 200), context: context, seed: seed)
  try trainer.fit(
    data.training, epochs: options.number("--epochs"), batchSize: options.number("--batch"), validation: data.test,
    callbacks: [ProgressBar()])

  var export = Export(inputShape: [1, 28, 28])
  export.name = "resnet18"
  for first in [0, 8] { export.testInputs.append(try data.test.batch(first..<first + 8, in: context).inputs) }
  export.metadata = [("classes", MNIST.fashionClasses.joined(separator: ","))]
  try trainer.save(to: options.text("--checkpoint"), export: export)
  print("wrote \(options.text("--checkpoint"))")
} catch {
  fail("train-resnet: \(error)")
}
