extension OperatorSchema {
  /// The operand itself.
  public static let identity = OperatorSchema(
    name: "Identity", versions: [21, 23, 24, 25], inputs: [Parameter("input", .all, kind: .any)],
    outputs: [Parameter("output", .all, kind: .any)]
  ) { context throws(ApusError) in
    context.setOutput(0, context.valueType(0))
  }

  private static let versions: [Int32] = [21, 23, 24, 25]
  /// Types that numbers are converted between.
  private static let convertible = TypeSet(rawValue: TypeSet.all.rawValue & ~TypeSet.complex.rawValue)
  private static let rounding = [
    AttributeSchema("saturate", default: .int(1)), AttributeSchema("round_mode", default: .string("up")),
  ]

  /// Each element in another type.
  public static let cast = OperatorSchema(
    name: "Cast", versions: versions, inputs: [Parameter("input", convertible)],
    outputs: [Parameter("output", convertible, group: 2)],
    attributes: [AttributeSchema("to", .int, required: true)] + rounding
  ) { context throws(ApusError) in
    try context.checkRoundMode()
    context.setOutput(0, try context.elementType(attribute: "to"), context.shape(0))
  }

  /// Each element in the type of another tensor.
  public static let castLike = OperatorSchema(
    name: "CastLike", versions: versions,
    inputs: [Parameter("input", convertible), Parameter("target_type", convertible, group: 2)],
    outputs: [Parameter("output", convertible, group: 2)], attributes: rounding
  ) { context throws(ApusError) in
    try context.checkRoundMode()
    context.setOutput(0, try context.elementType(1), context.shape(0))
  }

  /// The bits of each element read as another type of the same width.
  public static let bitCast = OperatorSchema(
    name: "BitCast", versions: [26], inputs: [Parameter("input", numbers)],
    outputs: [Parameter("output", numbers, group: 2)], attributes: [AttributeSchema("to", .int, required: true)]
  ) { context throws(ApusError) in
    let from = try context.elementType(0)
    let to = try context.elementType(attribute: "to")
    guard from.bitWidth == to.bitWidth, to != .string else {
      throw context.attributeError(
        "to", expected: "a type of \(from.bitWidth) bits, as " + from.name.text, actual: to.name.text)
    }
    context.setOutput(0, to, context.shape(0))
  }

  private static let numbers = TypeSet(rawValue: TypeSet.all.rawValue & ~TypeSet(.string).rawValue)
}

extension InferenceContext {
  /// The element type that an attribute names by its number.
  func elementType(attribute: StaticString) throws(ApusError) -> ElementType {
    let number = attributes.int(attribute) ?? 0
    guard let code = Int32(exactly: number), let type = ElementType(rawValue: code) else {
      throw attributeError(attribute, expected: "an element type's number, 1 to 26", actual: "\(number)")
    }
    return type
  }

  func checkRoundMode() throws(ApusError) {
    let mode = attributes.string("round_mode") ?? "up"
    guard mode == "up" || mode == "down" || mode == "nearest" else {
      throw attributeError("round_mode", expected: "up, down or nearest", actual: mode.string)
    }
  }
}
