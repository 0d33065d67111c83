extension OperatorSchema {
  /// `Y[n, m, o...] = B[m] + sum over c, k... of X[n, g C/group + c, o s + k d - p] W[m, c, k...]`.
  ///
  /// X `[N, C, D1, ...]`, W `[M, C/group, k1, ...]`, B `[M]`, Y `[N, M, ...]`. Padding is zeros.
  public static let conv = OperatorSchema(
    name: "Conv", versions: [22],
    inputs: [Parameter("X", .floats), Parameter("W", .floats), Parameter("B", .floats, .optional)],
    outputs: [Parameter("Y", .floats)],
    attributes: Window.attributes + [AttributeSchema("group", default: .int(1)), AttributeSchema("kernel_shape", .ints)]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    try context.requireRank(0, atLeast: 3)
    guard let x = context.shape(0), let w = context.shape(1) else { return context.setOutput(0, type, nil) }
    try context.requireRank(1, x.rank)
    try context.requireRank(2, 1)
    var kernel: [Int] = []
    for axis in 2..<w.rank {
      guard let extent = w[axis].value else { return context.setOutput(0, type, nil) }
      kernel.append(extent)
    }
    if let stated = context.attributes.ints("kernel_shape"), stated != kernel {
      throw context.attributeError(
        "kernel_shape", expected: Shape(kernel).text(symbols: []), actual: Shape(stated).text(symbols: []))
    }
    guard let group = context.attributes.int("group"), group >= 1 else {
      throw context.attributeError("group", expected: "1 or more", actual: "\(context.attributes.int("group") ?? 0)")
    }
    if let channels = x[1].value, let slice = w[1].value {
      guard try slice.checkedMultiplied(by: group) == channels else {
        throw context.error(
          "input channels and weights do not match", input: 0, expected: "\(slice) * \(group) channels",
          actual: x.text(symbols: []))
      }
    }
    if let filters = w[0].value, filters % group != 0 {
      throw context.error(
        "output channels are not a multiple of group", input: 1, expected: "a multiple of \(group)", actual: "\(filters)")
    }
    if let bias = context.shape(2) { _ = try context.unified(w[0], bias[0], "output channels and bias") }
    let window = try Window(context, kernel: kernel)
    context.setOutput(0, type, Shape([x[0], w[0]] + (try window.outputDimensions(x, context))))
  }
}
