import ApusGraph
import Foundation
import Testing

@testable import ApusTraining

/// A small convolutional network with everything that has state: batch statistics and dropout.
final class SmallNetwork: Module {
  let features: Sequential
  let head: Sequential

  init(seed: UInt64) throws(ApusError) {
    var generator = RandomGenerator(seed: seed)
    features = Sequential(
      try Conv2d(1, 4, kernel: 3, padding: 1, using: &generator), try BatchNorm2d(4), ReLU(), MaxPool2d(2))
    head = Sequential(
      Flatten(), try Linear(64, 16, using: &generator), ReLU(), try Dropout(0.3), try Linear(16, 3, using: &generator))
  }

  func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor { try head(features(input)) }
}

/// Images of 8 x 8 with a bright bar, noise beside it; the class is the bar's place.
func barImages(_ count: Int, seed: UInt64) throws -> ImageDataset {
  var generator = RandomGenerator(seed: seed, stream: RandomGenerator.Stream(50))
  var pixels: [UInt8] = []
  var labels: [UInt8] = []
  for _ in 0..<count {
    let label = UInt8(generator.nextInteger(below: 3))
    labels.append(label)
    for _ in 0..<8 {
      for x in 0..<8 {
        let isBar = x / 3 == Int(label)
        pixels.append(UInt8(generator.nextInteger(below: 100)) + (isBar ? 120 : 0))
      }
    }
  }
  return try ImageDataset(pixels: pixels, labels: labels, imageShape: [1, 8, 8])
}

func makeTrainer(seed: UInt64 = 1, threads: Int = 2, momentum: Float = 0.9) throws -> Trainer {
  let network = try SmallNetwork(seed: seed)
  return Trainer(
    network, loss: try CrossEntropyLoss(), optimizer: try SGD(network, learningRate: 0.05, momentum: momentum),
    schedule: .cosine(rate: 0.05), context: try Context(threads: threads, seed: seed), seed: seed)
}

private func bits(_ module: any Module) -> [[UInt32]] { module.namedTensors.map { $0.tensor.values.map(\.bitPattern) } }

/// Saves and stops after a number of batches.
private final class StopAfter: Callback {
  private let batches: Int
  private let path: String
  private var seen = 0

  init(_ batches: Int, path: String) {
    self.batches = batches
    self.path = path
  }

  func batchDidEnd(_ trainer: Trainer, _ report: BatchReport) throws(ApusError) {
    seen += 1
    guard seen == batches else { return }
    try trainer.save(to: path)
    trainer.stop()
  }
}

private func temporaryFile() -> String {
  FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString).safetensors").path
}

@Suite struct TrainerTests {
  @Test func aNetworkLearnsAndIsMeasured() throws {
    let trainer = try makeTrainer()
    let test = try barImages(100, seed: 2)
    let reports = try trainer.fit(try barImages(300, seed: 1), epochs: 5, batchSize: 32, validation: test)
    #expect(reports.map(\.epoch) == [1, 2, 3, 4, 5])
    #expect(reports.allSatisfy { $0.training.examples == 300 && $0.validation?.examples == 100 })
    #expect(try #require(reports.last?.training.loss) < 0.5 * reports[0].training.loss)
    let evaluation = try trainer.evaluate(test)
    #expect(evaluation.accuracy == reports.last?.validation?.accuracy)
    #expect(try #require(evaluation.accuracy) > 0.95)
    // Predictions say the same, in whatever batches.
    for batchSize in [256, 7] {
      let scores = try trainer.predict(test, batchSize: batchSize)
      #expect(scores.shape == [100, 3])
      let right = zip(scores.largestIndices, test.labels).filter { $0 == Int($1) }.count
      #expect(Double(right) / 100 == evaluation.accuracy)
    }
  }

  @Test func regressionLearns() throws {
    var generator = RandomGenerator(seed: 4)
    let inputs = (0..<200).map { _ in 2 * generator.nextUniform() - 1 }
    let data = try TensorDataset(
      inputs: try Tensor(inputs, shape: [100, 2]),
      values: try Tensor((0..<100).map { 3 * inputs[2 * $0] - inputs[2 * $0 + 1] }, shape: [100, 1]))
    let model = try Linear(2, 1, using: &generator)
    let trainer = Trainer(
      model, loss: MeanSquaredErrorLoss(), optimizer: try Adam(model, learningRate: 0.05), context: try Context(threads: 1))
    try trainer.fit(data, epochs: 60, batchSize: 20)
    let evaluation = try trainer.evaluate(data)
    #expect(evaluation.loss < 1e-4)
    #expect(evaluation.accuracy == nil)
    #expect(abs(model.weight.values[0] - 3) < 0.02 && abs(model.weight.values[1] + 1) < 0.02)
  }

  @Test func oneSeedGivesOneResultOnAnyNumberOfThreads() throws {
    let data = try barImages(150, seed: 1)
    let results = try [1, 2, 2, 3].map { threads in
      let trainer = try makeTrainer(threads: threads)
      try trainer.fit(data, epochs: 2, batchSize: 33)
      return bits(trainer.module)
    }
    #expect(results.allSatisfy { $0 == results[0] })
    let other = try makeTrainer(seed: 2)
    try other.fit(data, epochs: 2, batchSize: 33)
    #expect(bits(other.module) != results[0])
  }

  @Test func aResidualNetworkAndAnLSTMAreDeterministic() throws {
    let data = try barImages(40, seed: 3)
    let results = try [1, 2].map { threads -> [[UInt32]] in
      var generator = RandomGenerator(seed: 1)
      let network = try SmallResNet(classes: 3, using: &generator)
      let trainer = Trainer(
        network, loss: try CrossEntropyLoss(), optimizer: try AdamW(network), context: try Context(threads: threads))
      try trainer.fit(data, epochs: 1, batchSize: 20)
      let classifier = try LSTMClassifier(features: 8, hidden: 12, classes: 3, direction: .bidirectional, using: &generator)
      let context = try Context(threads: threads)
      let optimizer = try SGD(classifier, learningRate: 0.1)
      for _ in 0..<3 {
        try context.with(training: true, gradients: true) { () throws(ApusError) in
          let batch = try data.batch(0..<40, in: context)
          optimizer.clearGradients()
          try CrossEntropyLoss()(try classifier(batch.inputs.reshaped([0, 8, 8])), batch.targets).backward()
        }
        optimizer.step(in: context)
      }
      return bits(network) + bits(classifier)
    }
    #expect(results[0] == results[1])
  }

  /// Stopped in the middle of an epoch, at its end, and at the first batch; resumed in a fresh trainer.
  @Test(arguments: [1, 4, 5, 8])
  func resumedTrainingIsUninterruptedTraining(_ batches: Int) throws {
    let data = try barImages(150, seed: 1)
    let path = temporaryFile()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let whole = try makeTrainer()
    try whole.fit(data, epochs: 3, batchSize: 33)

    try makeTrainer().fit(data, epochs: 3, batchSize: 33, callbacks: [StopAfter(batches, path: path)])
    // A trainer with other weights and another place in its random stream: all of it comes from the checkpoint.
    let resumed = try makeTrainer()
    for (_, tensor) in resumed.module.namedTensors { try tensor.assign([Float](repeating: 9, count: tensor.count)) }
    resumed.context.generator.position = 4000
    try resumed.resume(from: path)
    #expect(resumed.position.step == batches)
    let reports = try resumed.fit(data, epochs: 3, batchSize: 33)
    #expect(bits(resumed.module) == bits(whole.module))
    #expect(resumed.position == whole.position)
    #expect(reports.last?.epoch == 3)
    #expect(reports.allSatisfy { $0.training.examples == 150 })
  }

  @Test func otherSettingsAreNotResumed() throws {
    let data = try barImages(60, seed: 1)
    let path = temporaryFile()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let trainer = try makeTrainer()
    try trainer.fit(data, epochs: 1, batchSize: 20)
    try trainer.save(to: path)

    #expect(throws: ApusError.self) { try makeTrainer(seed: 2).resume(from: path) }
    #expect(throws: ApusError.self) { try makeTrainer(momentum: 0.5).resume(from: path) }
    let other = try makeTrainer()
    try other.resume(from: path)
    #expect(throws: ApusError.self) { try other.fit(data, epochs: 2, batchSize: 30) }
    // A resume is checked once and for all: the right settings go on.
    try other.fit(data, epochs: 2, batchSize: 20)
    #expect(other.position.epoch == 2)
  }

  @Test func earlyStoppingStopsAndRemembers() throws {
    let data = try barImages(60, seed: 1)
    let path = temporaryFile()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let network = try SmallNetwork(seed: 1)
    // A rate of zero never gains: the first epoch sets the best, and two more are put up with.
    let make = { () throws(ApusError) -> Trainer in
      Trainer(
        network, loss: try CrossEntropyLoss(), optimizer: try SGD(network, learningRate: 0),
        context: try Context(threads: 1), seed: 1)
    }
    let stopping = EarlyStopping(patience: 2, leastGain: 10)
    let reports = try make().fit(data, epochs: 9, batchSize: 20, validation: data, callbacks: [stopping])
    #expect(reports.count == 4)

    let first = try make()
    try first.fit(
      data, epochs: 2, batchSize: 20, validation: data,
      callbacks: [EarlyStopping(patience: 2, leastGain: 10), SaveCheckpoint(to: path)])
    let second = try make()
    try second.resume(from: path)
    let rest = try second.fit(
      data, epochs: 9, batchSize: 20, validation: data, callbacks: [EarlyStopping(patience: 2, leastGain: 10)])
    #expect(rest.map(\.epoch) == [3, 4])
  }

  @Test func trainingThatDivergesSaysSo() throws {
    let network = try SmallNetwork(seed: 1)
    let trainer = Trainer(
      network, loss: try CrossEntropyLoss(), optimizer: try SGD(network, learningRate: 1e30), context: try Context(threads: 1))
    do {
      try trainer.fit(try barImages(90, seed: 1), epochs: 5, batchSize: 30)
      Issue.record("the loss stayed a number")
    } catch {
      #expect((error as? ApusError)?.status == .valueOutOfRange)
    }
  }

  @Test func progressIsALineAnEpochWithoutATerminal() throws {
    let data = try barImages(60, seed: 1)
    for isTerminal in [false, true] {
      var text = ""
      let bar = ProgressBar(isTerminal: isTerminal) { text += $0 }
      try makeTrainer().fit(data, epochs: 2, batchSize: 20, validation: data, callbacks: [bar])
      let lines = text.split(separator: "\n")
      #expect(lines.count == 2)
      #expect(lines.allSatisfy { $0.contains("loss ") && $0.contains("accuracy ") && $0.contains("validation ") })
      #expect(text.contains("\r") == isTerminal && text.contains("[====") == isTerminal)
      #expect(lines[0].hasSuffix(" left") && lines[1].hasSuffix(" s"))
    }
    #expect(ProgressBar.duration(65.4) == "1:05")
    #expect(ProgressBar.duration(7200) == "2:00:00")
    #expect(ProgressBar.duration(.infinity) == "99:59:59")
    #expect([0.89126, -1.5, 0.004, -0.004, 12].map { $0.fixed(2) } == ["0.89", "-1.50", "0.00", "0.00", "12.00"])
    #expect(2.5.fixed(0) == "3" && Double.nan.fixed(2) == "nan")
  }
}
