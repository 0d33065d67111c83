import ApusGraph

/// Stochastic gradient descent, with g the gradient plus weightDecay * w:
///
/// v = momentum * v + g, and w -= rate * v; with Nesterov's look-ahead w -= rate * (g + momentum * v) (Sutskever et al. 2013).
public final class SGD: Optimizer {
  private let momentum: Float
  private let weightDecay: Float
  private let isNesterov: Bool

  public init(
    _ module: some Module, learningRate: Float, momentum: Float = 0, weightDecay: Float = 0, nesterov: Bool = false
  ) throws(ApusError) {
    self.momentum = try Self.checked(momentum, "the momentum")
    self.weightDecay = try Self.checkedDecay(weightDecay)
    isNesterov = nesterov
    guard !nesterov || momentum > 0 else { throw ApusError(.invalidArgument, "Nesterov's look-ahead needs a momentum") }
    try super.init(module, learningRate: learningRate, slots: momentum > 0 ? ["momentum"] : [])
  }

  public override var settings: [(name: String, value: String)] {
    [("name", "SGD"), ("momentum", "\(momentum)"), ("weight_decay", "\(weightDecay)"), ("nesterov", "\(isNesterov)")]
  }

  override func update(
    _ w: UnsafeMutablePointer<Float>, by gradient: UnsafePointer<Float>, _ slots: [UnsafeMutablePointer<Float>],
    _ range: Range<Int>
  ) {
    guard let v = slots.first else {
      for i in range { w[i] -= learningRate * (gradient[i] + weightDecay * w[i]) }
      return
    }
    for i in range {
      let g = gradient[i] + weightDecay * w[i]
      v[i] = momentum * v[i] + g
      w[i] -= learningRate * (isNesterov ? g + momentum * v[i] : v[i])
    }
  }
}
