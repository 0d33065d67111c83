/// Shared by MaxPool and AveragePool: `[N, C, D1, ...]` to `[N, C, ...]`.
private func inferPool(_ context: inout InferenceContext) throws(ApusError) {
  let type = try context.elementType(0)
  try context.requireRank(0, atLeast: 3)
  guard let kernel = context.attributes.ints("kernel_shape"), !kernel.isEmpty else {
    throw context.attributeError("kernel_shape", expected: "one number a spatial axis", actual: "none")
  }
  let window = try Window(context, kernel: kernel, ceilMode: context.attributes.flag("ceil_mode"))
  for axis in kernel.indices {
    // A window that lies wholly in padding has no maximum and no mean.
    let span = try window.span(axis)
    guard window.padsBegin[axis] < span, window.padsEnd[axis] < span else {
      throw context.attributeError(
        "pads", expected: "less than the window's span \(span)",
        actual: "\(window.padsBegin[axis]) and \(window.padsEnd[axis])")
    }
  }
  guard let x = context.shape(0) else { return context.setOutput(0, type, nil) }
  try context.requireRank(0, kernel.count + 2)
  context.setOutput(0, type, Shape([x[0], x[1]] + (try window.outputDimensions(x, context))))
}

extension OperatorSchema {
  /// The largest element of each window; NaN if the window holds one. Optional Indices: the element's flat position.
  public static let maxPool = OperatorSchema(
    name: "MaxPool", versions: [22],
    inputs: [Parameter("X", [.floats, TypeSet(.int8, .uint8)])],
    outputs: [Parameter("Y", [.floats, TypeSet(.int8, .uint8)]), Parameter("Indices", TypeSet(.int64), group: 2, .optional)],
    attributes: Window.attributes + [
      AttributeSchema("kernel_shape", .ints, required: true),
      AttributeSchema("ceil_mode", default: .int(0)),
      AttributeSchema("storage_order", default: .int(0)),
    ]
  ) { context throws(ApusError) in
    try inferPool(&context)
    if case .some(.some(let output)) = context.outputs.first { context.setOutput(1, .int64, output.tensor?.shape) }
  }

  /// The mean of each window; padding counts as zeros with `count_include_pad`, else not at all.
  public static let averagePool = OperatorSchema(
    name: "AveragePool", versions: [22], inputs: [Parameter("X", .floats)], outputs: [Parameter("Y", .floats)],
    attributes: Window.attributes + [
      AttributeSchema("kernel_shape", .ints, required: true),
      AttributeSchema("ceil_mode", default: .int(0)),
      AttributeSchema("count_include_pad", default: .int(0)),
    ]
  ) { context throws(ApusError) in
    try inferPool(&context)
  }

  /// `(sum |x|^p)^(1/p)` of each window's elements inside the input.
  public static let lpPool = OperatorSchema(
    name: "LpPool", versions: [22], inputs: [Parameter("X", .floats)], outputs: [Parameter("Y", .floats)],
    attributes: Window.attributes + [
      AttributeSchema("kernel_shape", .ints, required: true),
      AttributeSchema("ceil_mode", default: .int(0)),
      AttributeSchema("p", default: .int(2)),
    ]
  ) { context throws(ApusError) in
    try context.checkNormOrder()
    try inferPool(&context)
  }

  /// The mean over all spatial axes: `[N, C, D1, ...]` to `[N, C, 1, ...]`.
  public static let globalAveragePool = globalPool("GlobalAveragePool", [])
  /// The largest element over all spatial axes.
  public static let globalMaxPool = globalPool("GlobalMaxPool", [])
  /// `(sum |x|^p)^(1/p)` over all spatial axes.
  public static let globalLpPool = globalPool("GlobalLpPool", [AttributeSchema("p", default: .int(2))])

  private static func globalPool(_ name: StaticString, _ attributes: [AttributeSchema]) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: [22], inputs: [Parameter("X", .floats)], outputs: [Parameter("Y", .floats)], attributes: attributes
    ) { context throws(ApusError) in
      try context.checkNormOrder()
      try context.requireRank(0, atLeast: 3)
      let type = try context.elementType(0)
      guard var shape = context.shape(0) else { return context.setOutput(0, type, nil) }
      for axis in 2..<shape.rank { shape[axis] = .known(1) }
      context.setOutput(0, type, shape)
    }
  }
}

extension InferenceContext {
  /// Demands an exponent of 1 or more where there is one.
  fileprivate func checkNormOrder() throws(ApusError) {
    guard let p = attributes.int("p"), p < 1 || p > Int(Int32.max) else { return }
    throw attributeError("p", expected: "1 to \(Int32.max)", actual: "\(p)")
  }
}
