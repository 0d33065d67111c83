extension InferenceContext {
  /// The kernel's extents from the weights `[M, C/group, k1, ...]`, or nil while they are not known.
  ///
  /// - Throws: `invalid_attribute` where `kernel_shape` says something else, or the group is not positive.
  func convolutionKernel(weights index: Int) throws(ApusError) -> [Int]? {
    guard let w = shape(index) else { return nil }
    var kernel: [Int] = []
    for axis in 2..<w.rank {
      guard let extent = w[axis].value else { return nil }
      kernel.append(extent)
    }
    if let stated = attributes.ints("kernel_shape"), stated != kernel {
      throw attributeError(
        "kernel_shape", expected: Shape(kernel).text(symbols: []), actual: Shape(stated).text(symbols: []))
    }
    return kernel
  }

  /// A count of groups of channels, 1 or more.
  func groupCount(_ name: StaticString) throws(ApusError) -> Int {
    let count = attributes.int(name) ?? 1
    guard count >= 1 else { throw attributeError(name, expected: "1 or more", actual: "\(count)") }
    return count
  }

  /// Demands `[C / group, ...]` weights for `[N, C, ...]` and, of a convolution's first dimension, a multiple of group.
  func checkConvolutionChannels(input: Int, weights: Int, group: Int) throws(ApusError) {
    guard let x = shape(input), let w = shape(weights) else { return }
    if let channels = x[1].value, let slice = w[1].value {
      guard try slice.checkedMultiplied(by: group) == channels else {
        throw error(
          "input channels and weights do not match", input: input, expected: "\(slice) * \(group) channels",
          actual: x.text(symbols: []))
      }
    }
    if let filters = w[0].value, filters % group != 0 {
      throw error(
        "output channels are not a multiple of group", input: weights, expected: "a multiple of \(group)", actual: "\(filters)")
    }
  }

  /// The output `[N, M, o1, ...]` of a convolution; nil while its rank is not known.
  func convolutionShape(input: Int, weights: Int, bias: Int? = nil) throws(ApusError) -> Shape? {
    try requireRank(input, atLeast: 3)
    guard let x = shape(input) else { return nil }
    try requireRank(weights, x.rank)
    if let bias { try requireRank(bias, 1) }
    guard let w = shape(weights), let kernel = try convolutionKernel(weights: weights) else {
      return Shape([x[0]] + Array(repeating: .unknown, count: x.rank - 1))
    }
    try checkConvolutionChannels(input: input, weights: weights, group: try groupCount("group"))
    if let bias = bias.flatMap({ shape($0) }) { _ = try unified(w[0], bias[0], "output channels and bias") }
    let window = try Window(self, kernel: kernel)
    return Shape([x[0], w[0]] + (try window.outputDimensions(x, self)))
  }

  /// Demands one number, or one for each of the output channels.
  func checkPerChannel(_ index: Int, weights: Int) throws(ApusError) {
    guard let shape = shape(index), let count = shape.known.flatMap({ elementCount($0) }), count != 1 else { return }
    guard shape.rank == 1, let filters = self.shape(weights)?[0].value, filters != count else {
      if shape.rank == 1 { return }
      throw error("wrong rank", input: index, expected: "a scalar or rank 1", actual: shape.text(symbols: []))
    }
    throw error("not one number an output channel", input: index, expected: "1 or \(filters)", actual: "\(count)")
  }
}

extension OperatorSchema {
  private static let convolutionAttributes: [AttributeSchema] =
    Window.attributes + [AttributeSchema("group", default: .int(1)), AttributeSchema("kernel_shape", .ints)]

  /// `Y[n, m, o...] = B[m] + sum over c, k... of X[n, g C/group + c, o s + k d - p] W[m, c, k...]`.
  ///
  /// X `[N, C, D1, ...]`, W `[M, C/group, k1, ...]`, B `[M]`, Y `[N, M, ...]`. Padding is zeros.
  public static let conv = OperatorSchema(
    name: "Conv", versions: [22],
    inputs: [Parameter("X", .floats), Parameter("W", .floats), Parameter("B", .floats, .optional)],
    outputs: [Parameter("Y", .floats)], attributes: convolutionAttributes
  ) { context throws(ApusError) in
    context.setOutput(0, try context.elementType(0), try context.convolutionShape(input: 0, weights: 1, bias: 2))
  }

  /// As Conv, of `x - x_zero_point` and `w - w_zero_point`, with exact sums as int32.
  ///
  /// The zero points are scalars; that of w may be `[M]`.
  public static let convInteger = OperatorSchema(
    name: "ConvInteger", versions: [10],
    inputs: [
      Parameter("x", TypeSet(.int8, .uint8)), Parameter("w", TypeSet(.int8, .uint8), group: 2),
      Parameter("x_zero_point", TypeSet(.int8, .uint8), .optional),
      Parameter("w_zero_point", TypeSet(.int8, .uint8), group: 2, .optional),
    ],
    outputs: [Parameter("y", TypeSet(.int32), group: 3)], attributes: convolutionAttributes
  ) { context throws(ApusError) in
    try context.checkPerChannel(3, weights: 1)
    context.setOutput(0, .int32, try context.convolutionShape(input: 0, weights: 1))
  }

  /// As Conv, of quantized operands: `y = saturate(round((sum + B) x_scale w_scale / y_scale) + y_zero_point)`.
  ///
  /// Scale and zero point of w are scalars or `[M]`, the others scalars; B int32 of scale `x_scale w_scale`.
  public static let qLinearConv = OperatorSchema(
    name: "QLinearConv", versions: [10],
    inputs: [
      Parameter("x", TypeSet(.int8, .uint8)), Parameter("x_scale", TypeSet(.float32), group: 4),
      Parameter("x_zero_point", TypeSet(.int8, .uint8)), Parameter("w", TypeSet(.int8, .uint8), group: 2),
      Parameter("w_scale", TypeSet(.float32), group: 4), Parameter("w_zero_point", TypeSet(.int8, .uint8), group: 2),
      Parameter("y_scale", TypeSet(.float32), group: 4), Parameter("y_zero_point", TypeSet(.int8, .uint8), group: 3),
      Parameter("B", TypeSet(.int32), group: 5, .optional),
    ],
    outputs: [Parameter("y", TypeSet(.int8, .uint8), group: 3)], attributes: convolutionAttributes
  ) { context throws(ApusError) in
    try context.checkPerChannel(4, weights: 3)
    try context.checkPerChannel(5, weights: 3)
    for index in [1, 2, 6, 7] {
      guard let shape = context.shape(index)?.known, elementCount(shape) != 1 else { continue }
      throw context.error(
        "not a scalar", input: index, expected: "one element", actual: Shape(shape).text(symbols: []))
    }
    context.setOutput(0, try context.elementType(7), try context.convolutionShape(input: 0, weights: 3, bias: 8))
  }

  /// As Conv over two axes, where each tap reads X at a place of its own: moved by `offset`, interpolated between the four
  /// pixels around, times `mask`.
  ///
  /// offset `[N, offset_group kH kW 2, oH, oW]` (y before x), mask `[N, offset_group kH kW, oH, oW]`.
  public static let deformConv = OperatorSchema(
    name: "DeformConv", versions: [22],
    inputs: [
      Parameter("X", .floats), Parameter("W", .floats), Parameter("offset", .floats), Parameter("B", .floats, .optional),
      Parameter("mask", .floats, .optional),
    ],
    outputs: [Parameter("Y", .floats)],
    attributes: [
      AttributeSchema("dilations", .ints), AttributeSchema("group", default: .int(1)), AttributeSchema("kernel_shape", .ints),
      AttributeSchema("offset_group", default: .int(1)), AttributeSchema("pads", .ints), AttributeSchema("strides", .ints),
    ]
  ) { context throws(ApusError) in
    let groups = try context.groupCount("offset_group")
    guard let output = try context.convolutionShape(input: 0, weights: 1, bias: 3) else {
      return context.setOutput(0, try context.elementType(0), nil)
    }
    context.setOutput(0, try context.elementType(0), output)
    if let channels = context.shape(0)?[1].value, channels % groups != 0 {
      throw context.attributeError("offset_group", expected: "a divisor of \(channels) channels", actual: "\(groups)")
    }
    guard let kernel = try context.convolutionKernel(weights: 1) else { return }
    let taps = try checkedElementCount(kernel).checkedMultiplied(by: groups)
    for (index, planes) in [(2, try taps.checkedMultiplied(by: kernel.count)), (4, taps)] {
      guard let stated = context.shape(index) else { continue }
      try context.requireRank(index, output.rank)
      _ = try context.unified(stated[0], output[0], "batches")
      _ = try context.unified(stated[1], .known(planes), "channels of the offsets or mask")
      for axis in 2..<output.rank { _ = try context.unified(stated[axis], output[axis], "places and output pixels") }
    }
  }
}
