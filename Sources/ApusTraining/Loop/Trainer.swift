import ApusGraph
import CApusPlatform

/// Trains a module on a data set, and measures and applies it.
///
/// Training is a function of the initial weights, the data, the settings and the seed: the same give the same bits, whatever the
/// number of threads, in one go or resumed from a checkpoint.
public final class Trainer {
  public let module: any Module
  public let loss: any Loss
  public let optimizer: Optimizer
  public let schedule: LearningRateSchedule
  public let context: Context
  /// Of the order of the examples.
  public let seed: UInt64

  /// Where training stands: epochs done, batches done in the present one, and steps in all.
  public internal(set) var position = TrainingPosition()
  /// What the present epoch has summed up so far.
  var sums = EvaluationSums()
  /// What a checkpoint said about the run that it belongs to, to be compared when training goes on.
  var resumed: [(name: String, value: String)]?
  var callbackStates: [(name: String, state: [(name: String, value: String)])] = []
  private(set) var batchSize = 0
  private(set) var exampleCount = 0
  private(set) var callbacks: [any Callback] = []
  private var isStopping = false

  /// - Parameters:
  ///   - optimizer: of the module's parameters.
  ///   - schedule: the optimizer's own rate, constant, unless given.
  public init(
    _ module: any Module, loss: any Loss, optimizer: Optimizer, schedule: LearningRateSchedule? = nil, context: Context,
    seed: UInt64 = 0
  ) {
    self.module = module
    self.loss = loss
    self.optimizer = optimizer
    self.schedule = schedule ?? .constant(optimizer.learningRate)
    self.context = context
    self.seed = seed
  }

  /// Trains until `epochs` epochs are done in all, those before a resume included.
  ///
  /// Each epoch sees every example once, in an order that follows from the seed and the epoch's number; its last batch may be
  /// smaller.
  ///
  /// - Parameter validation: measured after each epoch.
  /// - Returns: a report for each epoch that was finished.
  /// - Throws: `invalidArgument` where the settings are not those of the checkpoint that was resumed; `valueOutOfRange` where the
  ///   loss is no longer a number; what the module, the loss and the callbacks throw.
  @discardableResult
  public func fit(
    _ data: some Dataset, epochs: Int, batchSize: Int, validation: (any Dataset)? = nil, callbacks: [any Callback] = []
  ) throws(ApusError) -> [EpochReport] {
    guard epochs >= 0, batchSize > 0, data.count > 0 else {
      throw ApusError(
        .invalidArgument, "training needs examples, and batches of at least one",
        actual: "\(data.count) examples, batches of \(batchSize), \(epochs) epochs")
    }
    self.batchSize = batchSize
    exampleCount = data.count
    self.callbacks = callbacks
    isStopping = false
    try checkResumed(callbacks)
    let batches = (data.count + batchSize - 1) / batchSize
    let stepsToDo = epochs * batches - position.epoch * batches - position.batch
    let began = apusp_clock_now()
    var stepsDone = 0
    var reports: [EpochReport] = []
    for callback in callbacks { try callback.trainingWillBegin(self) }

    while position.epoch < epochs, !isStopping {
      let epochBegan = apusp_clock_now()
      var generator = RandomGenerator(seed: seed, stream: .shuffle(epoch: position.epoch))
      let order = generator.permutation(data.count)
      while position.batch < batches, !isStopping {
        optimizer.learningRate = schedule.rate(step: position.step, of: epochs * batches, epoch: position.epoch)
        let first = position.batch * batchSize
        try step(data.batch(order[first..<min(first + batchSize, data.count)], in: context))
        position.batch += 1
        position.step += 1
        stepsDone += 1
        let elapsed = Self.seconds(since: began)
        let report = BatchReport(
          epoch: position.epoch + 1, epochs: epochs, batch: position.batch, batches: batches, training: sums.evaluation,
          secondsLeft: elapsed / Double(stepsDone) * Double(stepsToDo - stepsDone))
        for callback in callbacks { try callback.batchDidEnd(self, report) }
      }
      guard position.batch == batches else { break }
      var measured: Evaluation?
      if let validation { measured = try evaluate(validation) }
      let training = sums.evaluation
      position = TrainingPosition(epoch: position.epoch + 1, batch: 0, step: position.step)
      sums = EvaluationSums()
      let report = EpochReport(
        epoch: position.epoch, epochs: epochs, training: training, validation: measured, learningRate: optimizer.learningRate,
        seconds: Self.seconds(since: epochBegan),
        secondsLeft: Self.seconds(since: began) / Double(max(stepsDone, 1)) * Double(stepsToDo - stepsDone))
      reports.append(report)
      for callback in callbacks { try callback.epochDidEnd(self, report) }
    }
    for callback in callbacks { try callback.trainingDidEnd(self) }
    return reports
  }

  /// Ends `fit` after the present batch: for callbacks.
  public func stop() { isStopping = true }

  /// Forward, backward, and one step of the optimizer.
  private func step(_ batch: Batch) throws(ApusError) {
    let (prediction, value) = try context.with(training: true, gradients: true) { () throws(ApusError) -> (Tensor, Float) in
      let prediction = try module(batch.inputs)
      let value = try loss(prediction, batch.targets)
      optimizer.clearGradients()
      try value.backward()
      return (prediction, try value.item())
    }
    guard value.isFinite else {
      throw ApusError(
        .valueOutOfRange, "the loss is no longer a number: the learning rate may be too large",
        actual: "\(value) in step \(position.step)")
    }
    optimizer.step(in: context)
    sums.add(loss: value, prediction, batch.targets)
  }

  /// The loss and accuracy over all of `data`, in evaluation mode.
  public func evaluate(_ data: some Dataset, batchSize: Int = 256) throws(ApusError) -> Evaluation {
    var sums = EvaluationSums()
    try forEachBatch(of: data, batchSize) { (batch, prediction) throws(ApusError) in
      sums.add(loss: try loss(prediction, batch.targets).item(), prediction, batch.targets)
    }
    return sums.evaluation
  }

  /// The module's results for all of `data` in its order, in evaluation mode: [count, ...].
  public func predict(_ data: some Dataset, batchSize: Int = 256) throws(ApusError) -> Tensor {
    var values: [Float] = []
    var shape: [Int] = []
    try forEachBatch(of: data, batchSize) { (_, prediction) throws(ApusError) in
      values += prediction.values
      shape = Array(prediction.shape.dropFirst())
    }
    return try Tensor(values, shape: [data.count] + shape, context: context)
  }

  private func forEachBatch(
    of data: some Dataset, _ batchSize: Int, _ body: (Batch, Tensor) throws(ApusError) -> Void
  ) throws(ApusError) {
    guard batchSize > 0 else { throw ApusError(.invalidArgument, "a batch has at least one example", actual: "\(batchSize)") }
    try context.with(training: false, gradients: false) { () throws(ApusError) in
      for first in stride(from: 0, to: data.count, by: batchSize) {
        let batch = try data.batch(first..<min(first + batchSize, data.count), in: context)
        try body(batch, module(batch.inputs))
      }
    }
  }

  private static func seconds(since began: UInt64) -> Double { Double(apusp_clock_now() - began) * 1e-9 }
}

/// Where training stands.
public struct TrainingPosition: Equatable, Sendable {
  /// Epochs done.
  public var epoch = 0
  /// Batches done in the present epoch.
  public var batch = 0
  /// Steps of the optimizer in all.
  public var step = 0
}
