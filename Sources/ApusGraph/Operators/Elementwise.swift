extension OperatorSchema {
  private static func unary(
    _ name: Name, versions: [Int32], types: TypeSet, attributes: [AttributeSchema] = []
  ) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: versions, inputs: [Parameter("X", types)], outputs: [Parameter("Y", types)],
      attributes: attributes
    ) { context throws(ApusError) in
      try context.propagate()
    }
  }

  /// `max(0, x)`.
  public static let relu = unary("Relu", versions: [14], types: [.floats, .signedIntegers])
  /// `x` where x >= 0, else `alpha x`.
  public static let leakyRelu = unary(
    "LeakyRelu", versions: [16], types: .floats, attributes: [AttributeSchema("alpha", default: .float(0.01))])
  /// `1 / (1 + exp(-x))`.
  public static let sigmoid = unary("Sigmoid", versions: [13], types: .floats)
  /// `(exp(2x) - 1) / (exp(2x) + 1)`.
  public static let tanh = unary("Tanh", versions: [13], types: .floats)

  /// A binary operator with multidirectional broadcasting. Integers wrap around.
  private static func binary(_ name: Name) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: [14], inputs: [Parameter("A", .numeric), Parameter("B", .numeric)],
      outputs: [Parameter("C", .numeric)]
    ) { context throws(ApusError) in
      let type = try context.elementType(0)
      guard let a = context.shape(0), let b = context.shape(1) else { return context.setOutput(0, type, nil) }
      guard let shape = broadcast(a, b) else {
        throw context.error(
          "shapes can not be broadcast", input: 1, expected: "compatible with " + a.text(symbols: []),
          actual: b.text(symbols: []))
      }
      context.setOutput(0, type, shape)
    }
  }

  public static let add = binary("Add")
  public static let sub = binary("Sub")
  public static let mul = binary("Mul")
  /// Integer quotients are truncated toward zero; a zero divisor fails the run.
  public static let div = binary("Div")

  /// The operand itself.
  public static let identity = OperatorSchema(
    name: "Identity", versions: [21, 23, 24, 25], inputs: [Parameter("input", .all)], outputs: [Parameter("output", .all)]
  ) { context throws(ApusError) in
    try context.propagate()
  }

  /// The operand itself: dropping is for training. The optional mask is all true.
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

  /// Each element in another type.
  public static let cast = OperatorSchema(
    name: "Cast", versions: [21, 23, 24, 25], inputs: [Parameter("input", .all)],
    outputs: [Parameter("output", .all, group: 2)],
    attributes: [
      AttributeSchema("to", .int, required: true), AttributeSchema("saturate", default: .int(1)),
      AttributeSchema("round_mode", default: .string("up")),
    ]
  ) { context throws(ApusError) in
    let number = context.attributes.int("to") ?? 0
    guard let code = Int32(exactly: number), let type = ElementType(rawValue: code) else {
      throw context.attributeError("to", expected: "an element type's number, 1 to 26", actual: "\(number)")
    }
    context.setOutput(0, type, context.shape(0))
  }
}
