extension OperatorSchema {
  private static func softmaxLike(_ name: Name) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: [13], inputs: [Parameter("input", .floats)], outputs: [Parameter("output", .floats)],
      attributes: [AttributeSchema("axis", default: .int(-1))]
    ) { context throws(ApusError) in
      if let shape = context.shape(0) {
        _ = try context.normalizedAxis(context.attributes.int("axis") ?? -1, rank: shape.rank)
      }
      try context.propagate()
    }
  }

  /// `exp(x - max) / sum(exp(x - max))` along `axis`.
  public static let softmax = softmaxLike("Softmax")
  /// `(x - max) - log(sum(exp(x - max)))` along `axis`.
  public static let logSoftmax = softmaxLike("LogSoftmax")

  /// `Y = (X - mean) / sqrt(var + epsilon) * scale + B` for each channel (axis 1) with the stored mean and variance.
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
      AttributeSchema("epsilon", default: .float(1e-5)), AttributeSchema("momentum", default: .float(0.9)),
      AttributeSchema("training_mode", default: .int(0)),
    ]
  ) { context throws(ApusError) in
    guard !context.attributes.flag("training_mode"), context.node.outputs.count == 1 else {
      throw ApusError(
        .unsupported, "batch statistics are for training; inference uses the stored mean and variance",
        operatorName: context.node.label, expected: "training_mode 0 and one output")
    }
    try context.requireRank(0, atLeast: 1)
    let channels = context.shape(0).map { $0.rank > 1 ? $0[1] : .known(1) } ?? .unknown
    for index in 1...4 {
      try context.requireRank(index, 1)
      guard let shape = context.shape(index) else { continue }
      _ = try context.unified(channels, shape[0], "channels and statistics")
    }
    try context.propagate()
  }
}
