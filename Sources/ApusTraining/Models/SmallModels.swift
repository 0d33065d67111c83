import ApusGraph

/// Layers of `widths` units with ReLU between them, for inputs [N, widths[0]] or images that flatten to that.
public final class MultilayerPerceptron: Module {
  public let layers: Sequential

  /// - Throws: `invalidArgument` for fewer than two widths.
  public init(_ widths: [Int], using generator: inout RandomGenerator) throws(ApusError) {
    guard widths.count >= 2 else {
      throw ApusError(.invalidArgument, "a perceptron has inputs and outputs", expected: "2 or more widths", actual: "\(widths)")
    }
    var layers: [any Module] = [Flatten()]
    for index in 1..<widths.count {
      layers.append(try Linear(widths[index - 1], widths[index], using: &generator))
      if index < widths.count - 1 { layers.append(ReLU()) }
    }
    self.layers = Sequential(layers)
  }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor { try layers(input) }
}

/// A small residual network (He et al. 2016) for images [N, channels, H, W]: a stem, three stages of one block each at 16, 32 and
/// 64 channels, the second and third at half the resolution, global average pooling and a linear layer.
public final class SmallResNet: Module {
  public let stem: Sequential
  public let stages: Sequential
  public let head: Sequential

  public init(channels: Int = 1, classes: Int = 10, using generator: inout RandomGenerator) throws(ApusError) {
    stem = Sequential(
      try Conv2d(channels, 16, kernel: 3, padding: 1, bias: false, using: &generator), try BatchNorm2d(16), ReLU())
    stages = Sequential(
      try Self.block(16, 16, stride: 1, &generator), try Self.block(16, 32, stride: 2, &generator),
      try Self.block(32, 64, stride: 2, &generator))
    head = Sequential(GlobalAveragePool(), Flatten(), try Linear(64, classes, initializer: .glorotUniform, using: &generator))
  }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor { try head(stages(stem(input))) }

  private static func block(
    _ inputs: Int, _ outputs: Int, stride: Int, _ generator: inout RandomGenerator
  ) throws(ApusError) -> Residual {
    let body = Sequential(
      try Conv2d(inputs, outputs, kernel: 3, stride: Pair(stride, stride), padding: 1, bias: false, using: &generator),
      try BatchNorm2d(outputs), ReLU(),
      try Conv2d(outputs, outputs, kernel: 3, padding: 1, bias: false, using: &generator), try BatchNorm2d(outputs))
    guard inputs != outputs || stride != 1 else { return Residual(body) }
    let shortcut = Sequential(
      try Conv2d(inputs, outputs, kernel: 1, stride: Pair(stride, stride), bias: false, using: &generator),
      try BatchNorm2d(outputs))
    return Residual(body, shortcut: shortcut)
  }
}

/// An LSTM over sequences [N, T, features] and a linear layer over its last state.
public final class LSTMClassifier: Module {
  public let lstm: LSTM
  public let head: Linear

  public init(
    features: Int, hidden: Int, classes: Int, direction: LSTM.Direction = .forward, using generator: inout RandomGenerator
  ) throws(ApusError) {
    lstm = try LSTM(features, hidden: hidden, direction: direction, output: .last, using: &generator)
    head = try Linear(
      hidden * (direction == .bidirectional ? 2 : 1), classes, initializer: .glorotUniform, using: &generator)
  }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor { try head(lstm(input)) }
}
