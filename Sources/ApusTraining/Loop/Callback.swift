import ApusGraph

/// How far an epoch is.
public struct BatchReport: Sendable {
  /// From 1.
  public let epoch: Int
  public let epochs: Int
  /// Batches done in this epoch.
  public let batch: Int
  public let batches: Int
  /// Means over the examples that this epoch has seen.
  public let training: Evaluation
  /// Until all epochs are done, at the speed so far.
  public let secondsLeft: Double
}

/// What an epoch gave.
public struct EpochReport: Sendable {
  /// From 1.
  public let epoch: Int
  public let epochs: Int
  /// Means over the epoch's batches, each as the weights were then.
  public let training: Evaluation
  public let validation: Evaluation?
  public let learningRate: Float
  public let seconds: Double
  /// Until all epochs are done, at the speed so far.
  public let secondsLeft: Double
}

/// What wants to know how training goes. All calls come from the thread that trains.
public protocol Callback: AnyObject {
  func trainingWillBegin(_ trainer: Trainer) throws(ApusError)
  func batchDidEnd(_ trainer: Trainer, _ report: BatchReport) throws(ApusError)
  func epochDidEnd(_ trainer: Trainer, _ report: EpochReport) throws(ApusError)
  func trainingDidEnd(_ trainer: Trainer) throws(ApusError)

  /// What it must know to go on after a resume, for checkpoints; nil for a callback without memory.
  var state: (name: String, values: [(name: String, value: String)])? { get }
  /// Takes back the values of `state`.
  func restore(_ values: [(name: String, value: String)]) throws(ApusError)
}

extension Callback {
  public func trainingWillBegin(_ trainer: Trainer) throws(ApusError) {}
  public func batchDidEnd(_ trainer: Trainer, _ report: BatchReport) throws(ApusError) {}
  public func epochDidEnd(_ trainer: Trainer, _ report: EpochReport) throws(ApusError) {}
  public func trainingDidEnd(_ trainer: Trainer) throws(ApusError) {}
  public var state: (name: String, values: [(name: String, value: String)])? { nil }
  public func restore(_ values: [(name: String, value: String)]) throws(ApusError) {}
}

/// Ends training when the validation loss (without validation, the training loss) has not fallen for a number of epochs
/// (Goodfellow, Bengio, Courville: Deep Learning, algorithm 7.1).
public final class EarlyStopping: Callback {
  private let patience: Int
  private let leastGain: Double
  public private(set) var best = Double.infinity
  private var epochsWithoutGain = 0

  /// - Parameters:
  ///   - patience: epochs without a gain that are put up with.
  ///   - leastGain: how much the loss must fall to count.
  public init(patience: Int, leastGain: Double = 0) {
    self.patience = patience
    self.leastGain = leastGain
  }

  public func epochDidEnd(_ trainer: Trainer, _ report: EpochReport) throws(ApusError) {
    let loss = (report.validation ?? report.training).loss
    if loss < best - leastGain {
      best = loss
      epochsWithoutGain = 0
    } else {
      epochsWithoutGain += 1
      if epochsWithoutGain > patience { trainer.stop() }
    }
  }

  public var state: (name: String, values: [(name: String, value: String)])? {
    ("early_stopping", [("best", "\(best)"), ("epochs_without_gain", "\(epochsWithoutGain)")])
  }

  public func restore(_ values: [(name: String, value: String)]) throws(ApusError) {
    guard let best = values.first(where: { $0.name == "best" }).flatMap({ Double($0.value) }),
      let epochs = values.first(where: { $0.name == "epochs_without_gain" }).flatMap({ Int($0.value) })
    else { throw ApusError(.malformed, "the checkpoint's state of early stopping can not be read") }
    (self.best, epochsWithoutGain) = (best, epochs)
  }
}

/// Saves a checkpoint after each epoch, over the one before. Stands last among the callbacks, so that it saves what the others
/// then know.
public final class SaveCheckpoint: Callback {
  private let path: String

  public init(to path: String) { self.path = path }

  public func epochDidEnd(_ trainer: Trainer, _ report: EpochReport) throws(ApusError) { try trainer.save(to: path) }
}
