import ApusGraph

/// Two numbers for height and width, written as one where they are equal.
public struct Pair: Equatable, Sendable, ExpressibleByIntegerLiteral {
  public var height: Int
  public var width: Int

  public init(_ height: Int, _ width: Int) {
    self.height = height
    self.width = width
  }

  public init(integerLiteral value: Int) { self.init(value, value) }

  var attribute: AttributeValue { .ints([Int64(height), Int64(width)]) }
  /// The same on both sides of each axis.
  var padsAttribute: AttributeValue { .ints([Int64(height), Int64(width), Int64(height), Int64(width)]) }
}

/// Convolution of images [N, in, H, W] with filters [out, in / groups, kH, kW] and a bias [out].
///
/// The result is [N, out, (H + 2 * padding - dilation * (kH - 1) - 1) / stride + 1, ...].
public final class Conv2d: Module {
  public let weight: Tensor
  public let bias: Tensor?
  private let attributes: [Attribute]

  public init(
    _ inputs: Int, _ outputs: Int, kernel: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: Int = 1,
    bias: Bool = true, initializer: Initializer = .heUniform, using generator: inout RandomGenerator
  ) throws(ApusError) {
    guard groups >= 1, inputs % groups == 0, outputs % groups == 0 else {
      throw ApusError(
        .invalidArgument, "groups must divide the channels", actual: "\(groups) groups of \(inputs) to \(outputs) channels")
    }
    let window = kernel.height * kernel.width
    weight = try Tensor.parameter(
      [outputs, inputs / groups, kernel.height, kernel.width], initializer, fanIn: inputs / groups * window,
      fanOut: outputs / groups * window, &generator)
    self.bias = bias ? try Tensor(repeating: 0, shape: [outputs], requiresGradient: true) : nil
    attributes = [
      Attribute("kernel_shape", kernel.attribute), Attribute("strides", stride.attribute),
      Attribute("pads", padding.padsAttribute), Attribute("dilations", dilation.attribute),
      Attribute("group", .int(Int64(groups))),
    ]
  }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    try Operator.conv.single(
      [.tensor(input), .tensor(weight), Operand(bias)], attributes, for: self)
  }
}
