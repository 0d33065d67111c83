extension OperatorSchema {
  private static let epsilon = AttributeSchema("epsilon", default: .float(1e-5))
  private static let stashType = AttributeSchema("stash_type", default: .int(1))

  /// `Y = (X - mean) / sqrt(var + epsilon) * scale + B` for each channel (axis 1): with the stored mean and variance or, with
  /// `training_mode`, with those of the batch, which then move the running ones:
  /// `running = stored * momentum + batch * (1 - momentum)`.
  public static let batchNormalization = OperatorSchema(
    name: "BatchNormalization", versions: [15],
    inputs: [
      Parameter("X", .floats), Parameter("scale", .floats, group: 2), Parameter("B", .floats, group: 2),
      Parameter("input_mean", .floats, group: 3), Parameter("input_var", .floats, group: 3),
    ],
    outputs: [
      Parameter("Y", .floats), Parameter("running_mean", .floats, group: 3, .optional),
      Parameter("running_var", .floats, group: 3, .optional),
    ],
    attributes: [
      epsilon, AttributeSchema("momentum", default: .float(0.9)), AttributeSchema("training_mode", default: .int(0)),
    ]
  ) { context throws(ApusError) in
    try context.requireRank(0, atLeast: 1)
    var channels = context.shape(0).map { $0.rank > 1 ? $0[1] : .known(1) } ?? .unknown
    for index in 1...4 {
      try context.requireRank(index, 1)
      guard let shape = context.shape(index) else { continue }
      channels = try context.unified(channels, shape[0], "channels and statistics")
    }
    try context.propagate()
    let type = try context.elementType(3)
    for index in 1..<3 where context.node.outputs.count > index && context.node.outputs[index] >= 0 {
      guard context.attributes.flag("training_mode") else {
        throw context.error("running statistics are results of training alone", expected: "training_mode 1, or one output")
      }
      context.setOutput(index, type, Shape([channels]))
    }
  }

  /// `Y = (X - mean) / sqrt(var + epsilon) * Scale + B` over the axes from `axis` on. Mean and InvStdDev, of the element type
  /// `stash_type`, keep these axes with extent 1.
  public static let layerNormalization = OperatorSchema(
    name: "LayerNormalization", versions: [17],
    inputs: [Parameter("X", .floats), Parameter("Scale", .floats), Parameter("B", .floats, .optional)],
    outputs: [
      Parameter("Y", .floats), Parameter("Mean", TypeSet(.float32, .bfloat16), group: 2, .optional),
      Parameter("InvStdDev", TypeSet(.float32, .bfloat16), group: 2, .optional),
    ], attributes: [AttributeSchema("axis", default: .int(-1)), epsilon, stashType]
  ) { context throws(ApusError) in
    let stash = try statisticsType(context)
    guard var shape = try normalizedShape(&context, operands: 1...2) else {
      context.setOutput(1, stash, nil)
      return context.setOutput(2, stash, nil)
    }
    let axis = try context.normalizedAxis(context.attributes.int("axis") ?? -1, rank: shape.rank)
    for reduced in axis..<shape.rank { shape[reduced] = .known(1) }
    context.setOutput(1, stash, shape)
    context.setOutput(2, stash, shape)
  }

  /// `Y = X / sqrt(mean(X^2) + epsilon) * scale` over the axes from `axis` on.
  public static let rmsNormalization = OperatorSchema(
    name: "RMSNormalization", versions: [23],
    inputs: [Parameter("X", .floats), Parameter("scale", .floats, group: 2)], outputs: [Parameter("Y", .floats, group: 2)],
    attributes: [AttributeSchema("axis", default: .int(-1)), epsilon, stashType]
  ) { context throws(ApusError) in
    _ = try statisticsType(context)
    _ = try normalizedShape(&context, operands: 1...1)
    context.setOutput(0, try context.elementType(1), context.shape(0))
  }

  /// Sets output 0 to X's type and checks that the operands broadcast to X; X's shape where it is known.
  private static func normalizedShape(
    _ context: inout InferenceContext, operands: ClosedRange<Int>
  ) throws(ApusError) -> Shape? {
    try context.propagate()
    guard let shape = context.shape(0) else { return nil }
    _ = try context.normalizedAxis(context.attributes.int("axis") ?? -1, rank: shape.rank)
    for index in operands {
      guard let other = context.shape(index) else { continue }
      guard other.rank <= shape.rank, broadcast(shape, other) != nil else {
        throw context.error(
          "the operand does not broadcast to X", input: index, expected: shape.text(symbols: []),
          actual: other.text(symbols: []))
      }
      for axis in 0..<other.rank {
        guard let x = shape[axis + shape.rank - other.rank].value, let extent = other[axis].value, extent != 1, extent != x
        else { continue }
        throw context.error(
          "the operand does not broadcast to X", input: index, expected: "\(x)", actual: "\(extent)")
      }
    }
    return shape
  }

  /// The element type that `stash_type` names.
  private static func statisticsType(_ context: InferenceContext) throws(ApusError) -> ElementType {
    let stash = context.attributes.int("stash_type") ?? 1
    switch stash {
    case 1: return .float32
    case 16: return .bfloat16
    case 10: return .float16
    case 11: return .float64
    default: throw context.attributeError("stash_type", expected: "a float type: 1, 10, 11 or 16", actual: "\(stash)")
    }
  }

  /// `y = (x - mean) / sqrt(var + epsilon) * scale + bias` over each item's groups of consecutive channels.
  public static let groupNormalization = OperatorSchema(
    name: "GroupNormalization", versions: [21],
    inputs: [Parameter("X", .floats), Parameter("scale", .floats), Parameter("bias", .floats)],
    outputs: [Parameter("Y", .floats)],
    attributes: [epsilon, AttributeSchema("num_groups", .int, required: true), stashType]
  ) { context throws(ApusError) in
    let groups = context.attributes.int("num_groups") ?? 0
    guard groups > 0 else { throw context.attributeError("num_groups", expected: "1 or more", actual: "\(groups)") }
    try checkChannels(context)
    if let channels = context.shape(0)?[1].value, channels % groups != 0 {
      throw context.attributeError("num_groups", expected: "a divisor of \(channels)", actual: "\(groups)")
    }
    try context.propagate()
  }

  /// `y = (x - mean) / sqrt(var + epsilon) * scale + B` over each item's channels.
  public static let instanceNormalization = OperatorSchema(
    name: "InstanceNormalization", versions: [22],
    inputs: [Parameter("input", .floats), Parameter("scale", .floats), Parameter("B", .floats)],
    outputs: [Parameter("output", .floats)], attributes: [epsilon]
  ) { context throws(ApusError) in
    try checkChannels(context)
    try context.propagate()
  }

  /// Demands [N, C, ...] and one scale and bias a channel.
  private static func checkChannels(_ context: InferenceContext) throws(ApusError) {
    try context.requireRank(0, atLeast: 2)
    var channels = context.shape(0)?[1] ?? .unknown
    for index in 1...2 {
      try context.requireRank(index, 1)
      guard let shape = context.shape(index) else { continue }
      channels = try context.unified(channels, shape[0], "channels and factors")
    }
  }

  /// `Y = X / (bias + alpha / size * s)^beta`, s the sum of squares over `size` channels around each.
  public static let lrn = OperatorSchema(
    name: "LRN", versions: [13], inputs: [Parameter("X", .floats)], outputs: [Parameter("Y", .floats)],
    attributes: [
      AttributeSchema("alpha", default: .float(1e-4)), AttributeSchema("beta", default: .float(0.75)),
      AttributeSchema("bias", default: .float(1)), AttributeSchema("size", .int, required: true),
    ]
  ) { context throws(ApusError) in
    try context.requireRank(0, atLeast: 2)
    let size = context.attributes.int("size") ?? 0
    guard size > 0 else { throw context.attributeError("size", expected: "1 or more", actual: "\(size)") }
    try context.propagate()
  }

  /// `Y = (X - mean) / (deviation + 1e-9)` over `axes`.
  public static let meanVarianceNormalization = OperatorSchema(
    name: "MeanVarianceNormalization", versions: [13], inputs: [Parameter("X", .floats)], outputs: [Parameter("Y", .floats)],
    attributes: [AttributeSchema("axes", default: .ints([0, 2, 3]))]
  ) { context throws(ApusError) in
    if let shape = context.shape(0) { _ = try normalizedAxes(context, rank: shape.rank) }
    try context.propagate()
  }
}

/// The axes that MeanVarianceNormalization's attribute `axes` names, ascending.
public func normalizedAxes(_ context: InferenceContext, rank: Int) throws(ApusError) -> [Int] {
  var axes: [Int] = []
  for stated in context.attributes.ints("axes") ?? [] {
    let axis = try context.normalizedAxis(stated, rank: rank, attribute: "axes")
    guard !axes.contains(axis) else {
      throw context.attributeError("axes", expected: "each axis once", actual: "\(stated)")
    }
    axes.append(axis)
  }
  return axes.inOrder()
}
