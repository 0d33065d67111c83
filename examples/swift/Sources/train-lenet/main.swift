// Trains LeNet-5 on Fashion-MNIST, saves a checkpoint that `modelconv convert` takes, and writes the scores that the training
// module itself gives for the 10,000 test images.
//
//     swift run -c release train-lenet --checkpoint lenet.safetensors --logits logits.npy

import ApusTraining

let usage = """
  usage: train-lenet [--data FOLDER] [--checkpoint FILE] [--logits FILE.npy|FILE.f32]
                     [--epochs N] [--batch N] [--seed N] [--threads N]
    --data        folder of the four IDX files       (\(MNIST.fashionFolder))
    --checkpoint  where the trained model goes       (lenet.safetensors)
    --logits      where the test images' scores go   (logits.npy); raw floats where the name does not end in .npy
    --epochs      times that each image is seen      (8)
    --batch       images in a step                   (64)
    --seed        of the weights and the order       (1)
    --threads     0: one for each CPU                (0)
  """

do {
  let options = try Options(
    CommandLine.arguments.dropFirst(),
    defaults: [
      "--data": MNIST.fashionFolder, "--checkpoint": "lenet.safetensors", "--logits": "logits.npy", "--epochs": "8",
      "--batch": "64", "--seed": "1", "--threads": "0",
    ], usage: usage)
  let seed = UInt64(try options.number("--seed"))
  let context = try Context(threads: options.number("--threads"), seed: seed)
  let data = try MNIST(folder: options.text("--data"))
  print(
    "\(data.training.count) images to train, \(data.test.count) to test; \(context.pool.threads) threads, "
      + "OpenBLAS kernels for \(context.matrixKernels)")

  var generator = RandomGenerator(seed: seed)
  let model = try LeNet5(using: &generator)
  let epochs = try options.number("--epochs")
  let trainer = Trainer(
    model, loss: try CrossEntropyLoss(), optimizer: try AdamW(model, learningRate: 2e-3, weightDecay: 1e-2),
    schedule: .cosine(rate: 2e-3, warmup: 200), context: context, seed: seed)
  try trainer.fit(
    data.training, epochs: epochs, batchSize: options.number("--batch"), validation: data.test, callbacks: [ProgressBar()])

  let scores = try trainer.predict(data.test)
  let right = zip(scores.largestIndices, data.test.labels).filter { $0 == Int($1) }.count
  print("test accuracy \((Double(right) / Double(data.test.count)).fixed(4))")

  var export = Export(inputShape: [1, 28, 28])
  export.name = "lenet5"
  for first in [0, 8] { export.testInputs.append(try data.test.batch(first..<first + 8, in: context).inputs) }
  export.metadata = [("classes", MNIST.fashionClasses.joined(separator: ","))]
  let checkpoint = options.text("--checkpoint")
  try trainer.save(to: checkpoint, export: export)
  let logits = options.text("--logits")
  try writeFloats(scores.values, shape: scores.shape, to: logits)
  print("wrote \(checkpoint) and \(logits)")
} catch {
  fail("train-lenet: \(error)")
}
