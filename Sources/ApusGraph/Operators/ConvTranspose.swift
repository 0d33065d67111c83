/// The geometry of a transposed convolution: how its padding and output extents follow from the attributes.
public struct TransposedWindow: Sendable {
  public let window: Window
  /// Elements added at the end of each output axis.
  public let outputPadding: [Int]
  /// The output's spatial extents where they are prescribed: the padding follows from them.
  public let outputShape: [Int]?

  /// - Throws: `invalid_attribute` where a list has not one number an axis, or a number is out of range.
  public init(_ context: InferenceContext, kernel: [Int]) throws(ApusError) {
    window = try Window(context, kernel: kernel)
    outputPadding = try Window.list("output_padding", context, count: kernel.count, minimum: 0, otherwise: 0)
    guard let stated = context.attributes.ints("output_shape"), !stated.isEmpty else {
      outputShape = nil
      return
    }
    // Some exporters write the batch and channels too.
    guard stated.count == kernel.count || stated.count == kernel.count + 2 else {
      throw context.attributeError("output_shape", expected: "\(kernel.count) numbers", actual: "\(stated.count)")
    }
    for extent in stated where extent < 0 || extent > Int(Int32.max) {
      throw context.attributeError("output_shape", expected: "0 to \(Int32.max)", actual: "\(extent)")
    }
    outputShape = Array(stated.suffix(kernel.count))
  }

  /// The padding before an axis of `extent` input elements and the number of output elements.
  ///
  /// `stride (extent - 1) + output_padding + dilation (kernel - 1) + 1` elements less the padding. SAME gives
  /// `extent stride` elements; there, and with `output_shape`, the padding is what is too much, half on each side, an odd one
  /// before with SAME_LOWER and NOTSET, after with SAME_UPPER.
  /// - Throws: `shape_inference` where the padding is larger than the output.
  public func resolve(
    _ axis: Int, extent: Int, _ context: InferenceContext
  ) throws(ApusError) -> (begin: Int, output: Int) {
    let stride = window.strides[axis]
    guard extent > 0 else { return (0, outputShape?[axis] ?? 0) }
    let full = try (extent - 1).checkedMultiplied(by: stride).checkedAdding(outputPadding[axis])
      .checkedAdding(try window.span(axis))
    var prescribed = outputShape?[axis]
    if prescribed == nil, window.autoPad == .sameUpper || window.autoPad == .sameLower {
      prescribed = try extent.checkedMultiplied(by: stride)
    }
    if let output = prescribed {
      let total = max(full - output, 0)
      return (window.autoPad == .sameUpper ? total / 2 : total - total / 2, output)
    }
    if window.autoPad == .valid { return (0, full) }
    let output = full - window.padsBegin[axis] - window.padsEnd[axis]
    guard output >= 0 else {
      throw context.error(
        "the padding is larger than the output along spatial axis \(axis)", input: 0, expected: "at most \(full)",
        actual: "\(window.padsBegin[axis]) + \(window.padsEnd[axis])")
    }
    return (window.padsBegin[axis], output)
  }
}

extension OperatorSchema {
  /// The transpose of Conv: `Y[n, m, i s + k d - p] += X[n, c, i] W[c, m, k]` over i, k and the channels c of m's group.
  ///
  /// X `[N, C, D1, ...]`, W `[C, M/group, k1, ...]`, B `[M]`, Y `[N, M, ...]`.
  public static let convTranspose = OperatorSchema(
    name: "ConvTranspose", versions: [22],
    inputs: [Parameter("X", .floats), Parameter("W", .floats), Parameter("B", .floats, .optional)],
    outputs: [Parameter("Y", .floats)],
    attributes: Window.attributes + [
      AttributeSchema("group", default: .int(1)), AttributeSchema("kernel_shape", .ints),
      AttributeSchema("output_padding", .ints), AttributeSchema("output_shape", .ints),
    ]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    try context.requireRank(0, atLeast: 3)
    guard let x = context.shape(0) else { return context.setOutput(0, type, nil) }
    try context.requireRank(1, x.rank)
    try context.requireRank(2, 1)
    let group = try context.groupCount("group")
    guard let w = context.shape(1), let kernel = try context.convolutionKernel(weights: 1) else {
      return context.setOutput(0, type, Shape([x[0]] + Array(repeating: .unknown, count: x.rank - 1)))
    }
    _ = try context.unified(x[1], w[0], "input channels and weights")
    if let channels = w[0].value, channels % group != 0 {
      throw context.error(
        "input channels are not a multiple of group", input: 1, expected: "a multiple of \(group)", actual: "\(channels)")
    }
    var filters = Dimension.unknown
    if let slice = w[1].value { filters = .known(try slice.checkedMultiplied(by: group)) }
    if let bias = context.shape(2) { filters = try context.unified(filters, bias[0], "output channels and bias") }
    let window = try TransposedWindow(context, kernel: kernel)
    var dimensions = [x[0], filters]
    for axis in kernel.indices {
      if let extent = x[axis + 2].value {
        dimensions.append(.known(try window.resolve(axis, extent: extent, context).output))
      } else {
        dimensions.append(window.outputShape.map { .known($0[axis]) } ?? .unknown)
      }
    }
    context.setOutput(0, type, Shape(dimensions))
  }
}
