extension OperatorSchema {
  /// The operand itself, or with `training_mode` each element dropped with the probability `ratio` and the others scaled by
  /// `1 / (1 - ratio)`. The optional mask says which elements stay.
  public static let dropout = OperatorSchema(
    name: "Dropout", versions: [22],
    inputs: [
      Parameter("data", [.floats, .float8]), Parameter("ratio", [.floats, .float8], group: 2, .optional),
      Parameter("training_mode", TypeSet(.bool), group: 3, .optional),
    ],
    outputs: [Parameter("output", [.floats, .float8]), Parameter("mask", TypeSet(.bool), group: 3, .optional)],
    attributes: [AttributeSchema("seed", .int)]
  ) { context throws(ApusError) in
    try context.propagate()
    context.setOutput(1, .bool, context.shape(0))
  }
}
