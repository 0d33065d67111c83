import ApusGraph

/// max(x, 0).
public final class ReLU: Module {
  public init() {}
  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    try Operator.relu.single([.tensor(input)], for: self)
  }
}

/// x where x >= 0, else slope * x.
public final class LeakyReLU: Module {
  private let attributes: [Attribute]

  public init(slope: Float = 0.01) { attributes = [Attribute("alpha", .float(slope))] }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    try Operator.leakyRelu.single([.tensor(input)], attributes, for: self)
  }
}

/// 1 / (1 + e^-x).
public final class Sigmoid: Module {
  public init() {}
  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    try Operator.sigmoid.single([.tensor(input)], for: self)
  }
}

/// The hyperbolic tangent.
public final class Tanh: Module {
  public init() {}
  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    try Operator.tanh.single([.tensor(input)], for: self)
  }
}

/// Softmax along the last axis. Losses take scores before it: this is for networks whose users want probabilities.
public final class Softmax: Module {
  public init() {}
  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    try Operator.softmax.single([.tensor(input)], [Attribute("axis", .int(-1))], for: self)
  }
}

/// In training, each element becomes 0 with probability `ratio` and the others grow by 1 / (1 - ratio); else the identity.
public final class Dropout: Module {
  private let ratio: Float

  /// - Throws: `invalidArgument` for a ratio outside 0 ..< 1.
  public init(_ ratio: Float = 0.5) throws(ApusError) {
    guard ratio >= 0, ratio < 1 else {
      throw ApusError(.invalidArgument, "the share of dropped elements is out of range", expected: "0 ..< 1", actual: "\(ratio)")
    }
    self.ratio = ratio
  }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    try Operator.dropout.single([.tensor(input)], [Attribute("ratio", .float(ratio))], for: self)
  }
}

/// All axes from `axis` on become one: [N, C, H, W] to [N, C * H * W].
public final class Flatten: Module {
  private let axis: Int

  public init(from axis: Int = 1) { self.axis = axis }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    try Operator.flatten.single([.tensor(input)], [Attribute("axis", .int(Int64(axis)))], for: self)
  }
}
