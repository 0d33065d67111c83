extension InferenceContext {
  /// The shape of the operands broadcast against each other; nil while one is not known.
  func broadcastShape() throws(ApusError) -> Shape? {
    var joint: Shape? = Shape([Int]())
    for index in node.inputs.indices {
      guard let shape = shape(index) else {
        joint = nil
        continue
      }
      guard let known = joint else { continue }
      guard let next = broadcast(known, shape) else {
        throw error(
          "shapes can not be broadcast", input: index, expected: "compatible with " + known.text(symbols: []),
          actual: shape.text(symbols: []))
      }
      joint = next
    }
    return joint
  }
}

extension OperatorSchema {
  /// A binary operator with multidirectional broadcasting, whose result has the operands' type.
  static func binary(
    _ name: StaticString, versions: [Int32], types: TypeSet, attributes: [AttributeSchema] = []
  ) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: versions, inputs: [Parameter("A", types), Parameter("B", types)],
      outputs: [Parameter("C", types)], attributes: attributes
    ) { context throws(ApusError) in
      context.setOutput(0, try context.elementType(0), try context.broadcastShape())
    }
  }

  /// Integers wrap around.
  public static let add = binary("Add", versions: [14], types: .numeric)
  public static let sub = binary("Sub", versions: [14], types: .numeric)
  public static let mul = binary("Mul", versions: [14], types: .numeric)
  /// Integer quotients are truncated toward zero; a zero divisor fails the run.
  public static let div = binary("Div", versions: [14], types: .numeric)
  /// The remainder, with the sign of the divisor or, where `fmod` is set, of the dividend. An integer divisor of zero fails
  /// the run.
  public static let mod = binary("Mod", versions: [13], types: .numeric, attributes: [AttributeSchema("fmod", default: .int(0))])

  /// `x ^ y` in the type of X. Integers wrap around.
  public static let pow = OperatorSchema(
    name: "Pow", versions: [15],
    inputs: [Parameter("X", [.floats, .indices]), Parameter("Y", .numeric, group: 2)],
    outputs: [Parameter("Z", [.floats, .indices])]
  ) { context throws(ApusError) in
    context.setOutput(0, try context.elementType(0), try context.broadcastShape())
  }

  /// One or more operands broadcast against each other.
  private static func variadic(_ name: StaticString, types: TypeSet) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: [13], inputs: [Parameter("data", types, .variadic)], outputs: [Parameter("result", types)]
    ) { context throws(ApusError) in
      context.setOutput(0, try context.elementType(0), try context.broadcastShape())
    }
  }

  /// NaN where an operand is NaN.
  public static let maximum = variadic("Max", types: .numeric)
  public static let minimum = variadic("Min", types: .numeric)
  /// Operands are added from the first to the last.
  public static let sum = variadic("Sum", types: .floats)
  public static let mean = variadic("Mean", types: .floats)

  private static let integers: TypeSet = [.signedIntegers, .unsignedIntegers]

  public static let bitwiseAnd = binary("BitwiseAnd", versions: [18], types: integers)
  public static let bitwiseOr = binary("BitwiseOr", versions: [18], types: integers)
  public static let bitwiseXor = binary("BitwiseXor", versions: [18], types: integers)

  /// `x` shifted by `y` bits; 0 where y is the width or more.
  public static let bitShift = OperatorSchema(
    name: "BitShift", versions: [11],
    inputs: [Parameter("X", .unsignedIntegers), Parameter("Y", .unsignedIntegers)],
    outputs: [Parameter("Z", .unsignedIntegers)], attributes: [AttributeSchema("direction", .string, required: true)]
  ) { context throws(ApusError) in
    let direction = context.attributes.string("direction") ?? ""
    guard direction == "LEFT" || direction == "RIGHT" else {
      throw context.attributeError("direction", expected: "LEFT or RIGHT", actual: direction.string)
    }
    context.setOutput(0, try context.elementType(0), try context.broadcastShape())
  }

  // MARK: Comparison and logic

  /// A comparison with multidirectional broadcasting. With NaN all are false.
  private static func comparison(_ name: StaticString, version: Int32, types: TypeSet) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: [version], inputs: [Parameter("A", types), Parameter("B", types)],
      outputs: [Parameter("C", TypeSet(.bool), group: 2)]
    ) { context throws(ApusError) in
      context.setOutput(0, .bool, try context.broadcastShape())
    }
  }

  public static let equal = comparison("Equal", version: 19, types: [.numeric, TypeSet(.bool, .string)])
  public static let less = comparison("Less", version: 13, types: .numeric)
  public static let lessOrEqual = comparison("LessOrEqual", version: 16, types: .numeric)
  public static let greater = comparison("Greater", version: 13, types: .numeric)
  public static let greaterOrEqual = comparison("GreaterOrEqual", version: 16, types: .numeric)
  public static let and = comparison("And", version: 7, types: TypeSet(.bool))
  public static let or = comparison("Or", version: 7, types: TypeSet(.bool))
  public static let xor = comparison("Xor", version: 7, types: TypeSet(.bool))

  /// X where the condition holds, else Y, all three broadcast against each other.
  public static let `where` = OperatorSchema(
    name: "Where", versions: [16],
    inputs: [
      Parameter("condition", TypeSet(.bool), group: 2), Parameter("X", .all), Parameter("Y", .all),
    ],
    outputs: [Parameter("output", .all)]
  ) { context throws(ApusError) in
    context.setOutput(0, try context.elementType(1), try context.broadcastShape())
  }
}
