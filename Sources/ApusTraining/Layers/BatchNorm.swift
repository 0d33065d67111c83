import ApusGraph

/// Batch normalization over [N, C, ...]: by the batch's statistics in training, by the running ones else.
///
/// As the graph's operator has it: `momentum` is the share of the old running value that stays (PyTorch's is 1 minus this), and
/// the running variance is the population variance.
public class BatchNorm: Module {
  public let weight: Tensor
  public let bias: Tensor
  public let runningMean: Tensor
  public let runningVariance: Tensor
  private let rank: Int?
  private let epsilon: Float
  private let momentum: Float

  init(_ channels: Int, rank: Int?, epsilon: Float, momentum: Float) throws(ApusError) {
    guard channels > 0 else { throw ApusError(.invalidArgument, "batch normalization of no channels", actual: "\(channels)") }
    weight = try Tensor(repeating: 1, shape: [channels], requiresGradient: true)
    bias = try Tensor(repeating: 0, shape: [channels], requiresGradient: true)
    runningMean = try Tensor(repeating: 0, shape: [channels])
    runningVariance = try Tensor(repeating: 1, shape: [channels])
    self.rank = rank
    self.epsilon = epsilon
    self.momentum = momentum
  }

  public var members: [(name: String, member: ModuleMember)] {
    [
      ("weight", .tensor(weight)), ("bias", .tensor(bias)), ("running_mean", .tensor(runningMean)),
      ("running_var", .tensor(runningVariance)),
    ]
  }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    if let rank, input.rank != rank {
      throw ApusError(.shapeMismatch, "the input is of another rank", expected: "\(rank)", actual: "\(input.shape)")
    }
    let isTraining = input.context?.isTraining == true
    var attributes = [Attribute("epsilon", .float(epsilon)), Attribute("momentum", .float(momentum))]
    if isTraining { attributes.append(Attribute("training_mode", .int(1))) }
    let outputs = try Operator.batchNormalization(
      [.tensor(input), .tensor(weight), .tensor(bias), .tensor(runningMean), .tensor(runningVariance)], attributes,
      outputs: isTraining ? 3 : 1, for: self)
    if isTraining {
      try runningMean.assign(outputs[1].values)
      try runningVariance.assign(outputs[2].values)
    }
    return outputs[0]
  }
}

/// Batch normalization of images [N, C, H, W].
public final class BatchNorm2d: BatchNorm {
  public init(_ channels: Int, epsilon: Float = 1e-5, momentum: Float = 0.9) throws(ApusError) {
    try super.init(channels, rank: 4, epsilon: epsilon, momentum: momentum)
  }
}

/// Batch normalization of features [N, C].
public final class BatchNorm1d: BatchNorm {
  public init(_ channels: Int, epsilon: Float = 1e-5, momentum: Float = 0.9) throws(ApusError) {
    try super.init(channels, rank: 2, epsilon: epsilon, momentum: momentum)
  }
}
