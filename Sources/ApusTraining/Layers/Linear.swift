import ApusGraph

/// y = x W' + b for x [N, in], with W [out, in] and b [out].
public final class Linear: Module {
  public let weight: Tensor
  public let bias: Tensor?

  /// - Parameters:
  ///   - generator: advanced by the drawn weights.
  ///   - initializer: of the weights; biases begin at 0.
  public init(
    _ inputs: Int, _ outputs: Int, bias: Bool = true, initializer: Initializer = .heUniform,
    using generator: inout RandomGenerator
  ) throws(ApusError) {
    weight = try Tensor.parameter([outputs, inputs], initializer, fanIn: inputs, fanOut: outputs, &generator)
    self.bias = bias ? try Tensor(repeating: 0, shape: [outputs], requiresGradient: true) : nil
  }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    try Operator.gemm.single(
      [.tensor(input), .tensor(weight), Operand(bias)], [Attribute("transB", .int(1))], for: self)
  }
}

extension Tensor {
  /// A parameter with initial values drawn from `generator`.
  static func parameter(
    _ shape: [Int], _ initializer: Initializer, fanIn: Int, fanOut: Int, _ generator: inout RandomGenerator
  ) throws(ApusError) -> Tensor {
    guard let count = elementCount(shape), count > 0 else {
      throw ApusError(.invalidArgument, "a layer has at least one weight", actual: "the shape \(shape)")
    }
    return try Tensor(
      initializer.values(count: count, fanIn: fanIn, fanOut: fanOut, using: &generator), shape: shape, requiresGradient: true)
  }
}
