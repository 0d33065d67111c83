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

/// A small residual network (He et al. 2016) for images [N, channels, H, W]: a stem, stages of basic blocks, each stage but the
/// first at half the resolution of the one before, global average pooling and a linear layer. The default has one block at 16, 32
/// and 64 channels; four stages of two blocks are a narrow ResNet-18.
public final class SmallResNet: Module {
  public let stem: Sequential
  public let stages: Sequential
  public let head: Sequential

  /// - Parameters:
  ///   - widths: the channels of each stage; the stem has those of the first.
  ///   - blocks: in each stage.
  ///   - stride: of the stem.
  /// - Throws: `invalidArgument` without a stage or a block.
  public init(
    channels: Int = 1, classes: Int = 10, widths: [Int] = [16, 32, 64], blocks: Int = 1, stride: Int = 1,
    using generator: inout RandomGenerator
  ) throws(ApusError) {
    guard let first = widths.first, let last = widths.last, blocks > 0 else {
      throw ApusError(
        .invalidArgument, "a residual network has stages of blocks", expected: "1 or more of both",
        actual: "widths \(widths), \(blocks) blocks")
    }
    stem = Sequential(
      try Conv2d(channels, first, kernel: 3, stride: Pair(stride, stride), padding: 1, bias: false, using: &generator),
      try BatchNorm2d(first), ReLU())
    var body: [any Module] = []
    var inputs = first
    for (stage, width) in widths.enumerated() {
      for block in 0..<blocks {
        body.append(try Self.block(inputs, width, stride: stage > 0 && block == 0 ? 2 : 1, &generator))
        inputs = width
      }
    }
    stages = Sequential(body)
    head = Sequential(GlobalAveragePool(), Flatten(), try Linear(last, classes, initializer: .glorotUniform, using: &generator))
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
