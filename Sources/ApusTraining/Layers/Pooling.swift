import ApusGraph

/// The largest element under a window moving over images [N, C, H, W].
public final class MaxPool2d: Module {
  private let attributes: [Attribute]

  /// - Parameter stride: the window's extents unless given.
  public init(_ kernel: Pair, stride: Pair? = nil, padding: Pair = 0, dilation: Pair = 1) {
    attributes = [
      Attribute("kernel_shape", kernel.attribute), Attribute("strides", (stride ?? kernel).attribute),
      Attribute("pads", padding.padsAttribute), Attribute("dilations", dilation.attribute),
    ]
  }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    try Operator.maxPool.single([.tensor(input)], attributes, for: self)
  }
}

/// The mean under a window moving over images [N, C, H, W].
public final class AveragePool2d: Module {
  private let attributes: [Attribute]

  /// - Parameters:
  ///   - stride: the window's extents unless given.
  ///   - countsPadding: whether padding counts as zeros in the mean instead of being left out.
  public init(_ kernel: Pair, stride: Pair? = nil, padding: Pair = 0, countsPadding: Bool = false) {
    attributes = [
      Attribute("kernel_shape", kernel.attribute), Attribute("strides", (stride ?? kernel).attribute),
      Attribute("pads", padding.padsAttribute), Attribute("count_include_pad", .int(countsPadding ? 1 : 0)),
    ]
  }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    try Operator.averagePool.single([.tensor(input)], attributes, for: self)
  }
}

/// The mean of each image plane: [N, C, H, W] to [N, C, 1, 1].
public final class GlobalAveragePool: Module {
  public init() {}

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    try Operator.globalAveragePool.single([.tensor(input)], for: self)
  }
}
