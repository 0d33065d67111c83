import ApusGraph

/// A long short-term memory over sequences [N, T, in].
///
/// Weights are kept as the graph's operator wants them: weight_ih [D, 4H, in], weight_hh [D, 4H, H] and bias [D, 8H], rows in the
/// order input, output, forget gate, cell.
public final class LSTM: Module {
  public enum Direction: Equatable, Sendable {
    case forward, reverse, bidirectional

    var name: Name {
      switch self {
      case .forward: "forward"
      case .reverse: "reverse"
      case .bidirectional: "bidirectional"
      }
    }
  }

  public enum Output: Equatable, Sendable {
    /// h of every step: [N, T, D * H].
    case sequence
    /// h after the last step of each direction: [N, D * H].
    case last
  }

  public let inputWeight: Tensor
  public let stateWeight: Tensor
  public let bias: Tensor
  private let hidden: Int
  private let direction: Direction
  private let output: Output

  /// Weights are drawn by Glorot's rule; the bias of the forget gate begins at 1, so that memory lasts at first (Jozefowicz et
  /// al. 2015).
  public init(
    _ inputs: Int, hidden: Int, direction: Direction = .forward, output: Output = .last, using generator: inout RandomGenerator
  ) throws(ApusError) {
    let directions = direction == .bidirectional ? 2 : 1
    inputWeight = try Tensor.parameter(
      [directions, 4 * hidden, inputs], .glorotUniform, fanIn: inputs, fanOut: hidden, &generator)
    stateWeight = try Tensor.parameter(
      [directions, 4 * hidden, hidden], .glorotUniform, fanIn: hidden, fanOut: hidden, &generator)
    var biases = [Float](repeating: 0, count: directions * 8 * hidden)
    for d in 0..<directions {
      for j in 0..<hidden { biases[d * 8 * hidden + 2 * hidden + j] = 1 }
    }
    bias = try Tensor(biases, shape: [directions, 8 * hidden], requiresGradient: true)
    self.hidden = hidden
    self.direction = direction
    self.output = output
  }

  public var members: [(name: String, member: ModuleMember)] {
    [("weight_ih", .tensor(inputWeight)), ("weight_hh", .tensor(stateWeight)), ("bias", .tensor(bias))]
  }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    guard input.rank == 3 else {
      throw ApusError(.shapeMismatch, "a batch of sequences is needed", expected: "[N, T, F]", actual: "\(input.shape)")
    }
    let attributes = [Attribute("hidden_size", .int(Int64(hidden))), Attribute("direction", .string(direction.name))]
    let steps = try input.transposed([1, 0, 2])
    let outputs = try Operator.lstm(
      [.tensor(steps), .tensor(inputWeight), .tensor(stateWeight), .tensor(bias)], attributes, outputs: 2,
      for: self)
    switch output {
    case .sequence: return try outputs[0].transposed([2, 0, 1, 3]).reshaped([0, 0, -1])
    case .last: return try outputs[1].transposed([1, 0, 2]).flattened()
    }
  }
}
