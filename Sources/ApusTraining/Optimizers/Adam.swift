import ApusGraph
import Glibc

/// Adam (Kingma and Ba 2015): m = beta1 * m + (1 - beta1) * g, v = beta2 * v + (1 - beta2) * g^2, and
/// w -= rate * m' / (sqrt(v') + epsilon) with m' = m / (1 - beta1^t), v' = v / (1 - beta2^t).
///
/// Weight decay is added to the gradient.
public class Adam: Optimizer {
  private let beta1: Float
  private let beta2: Float
  private let epsilon: Float
  private let weightDecay: Float

  public init(
    _ module: some Module, learningRate: Float = 1e-3, beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8,
    weightDecay: Float = 0
  ) throws(ApusError) {
    self.beta1 = try Self.checked(beta1, "beta1")
    self.beta2 = try Self.checked(beta2, "beta2")
    guard epsilon > 0, epsilon.isFinite else {
      throw ApusError(.invalidArgument, "epsilon must be positive", actual: "\(epsilon)")
    }
    self.epsilon = epsilon
    self.weightDecay = try Self.checkedDecay(weightDecay)
    try super.init(module, learningRate: learningRate, slots: ["mean", "square"])
  }

  /// Whether weight decay shrinks the weights beside the gradient's step.
  var isDecoupled: Bool { false }

  public override var settings: [(name: String, value: String)] {
    [
      ("name", isDecoupled ? "AdamW" : "Adam"), ("beta1", "\(beta1)"), ("beta2", "\(beta2)"), ("epsilon", "\(epsilon)"),
      ("weight_decay", "\(weightDecay)"),
    ]
  }

  override func update(
    _ w: UnsafeMutablePointer<Float>, by gradient: UnsafePointer<Float>, _ slots: [UnsafeMutablePointer<Float>],
    _ range: Range<Int>
  ) {
    let (m, v) = (slots[0], slots[1])
    let step = Double(stepCount)
    let stepSize = Float(Double(learningRate) / (1 - pow(Double(beta1), step)))
    let squareScale = Float(1 / (1 - pow(Double(beta2), step)))
    let decay = isDecoupled ? 0 : weightDecay
    let shrink = isDecoupled ? 1 - learningRate * weightDecay : 1
    for i in range {
      let g = gradient[i] + decay * w[i]
      m[i] = beta1 * m[i] + (1 - beta1) * g
      v[i] = beta2 * v[i] + (1 - beta2) * g * g
      w[i] = shrink * w[i] - stepSize * m[i] / ((v[i] * squareScale).squareRoot() + epsilon)
    }
  }
}

/// Adam whose weight decay is not part of the gradient: w is first shrunk by 1 - rate * weightDecay (Loshchilov and Hutter 2019).
public final class AdamW: Adam {
  override var isDecoupled: Bool { true }
}
