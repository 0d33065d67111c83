extension OperatorSchema {
  private static let sequenceInput = Parameter("input_sequence", .all, group: 0, kind: .sequence)
  private static let position = Parameter("position", .indices, group: 0)

  private static func element(_ context: InferenceContext, _ index: Int) -> ValueType? {
    if case .sequence(let element) = context.valueType(index) { element } else { nil }
  }

  /// A sequence of the operands.
  public static let sequenceConstruct = OperatorSchema(
    name: "SequenceConstruct", versions: [11], inputs: [Parameter("inputs", .all, .variadic)],
    outputs: [Parameter("output_sequence", .all, group: 0, kind: .sequence)]
  ) { context throws(ApusError) in
    context.setOutput(0, .sequence(.tensor(TensorType(try context.elementType(0), nil))))
  }

  /// A sequence without elements, of tensors of the type `dtype`.
  public static let sequenceEmpty = OperatorSchema(
    name: "SequenceEmpty", versions: [11], inputs: [], outputs: [Parameter("output", .all, group: 0, kind: .sequence)],
    attributes: [AttributeSchema("dtype", default: .int(1))]
  ) { context throws(ApusError) in
    let number = context.attributes.int("dtype") ?? 1
    guard let code = Int32(exactly: number), let type = ElementType(rawValue: code) else {
      throw context.attributeError("dtype", expected: "an element type's number, 1 to 26", actual: "\(number)")
    }
    context.setOutput(0, .sequence(.tensor(TensorType(type, nil))))
  }

  /// One element; negative positions count from the end.
  public static let sequenceAt = OperatorSchema(
    name: "SequenceAt", versions: [11], inputs: [sequenceInput, position],
    outputs: [Parameter("tensor", .all, group: 0, kind: .any)]
  ) { context throws(ApusError) in
    context.setOutput(0, element(context, 0))
  }

  /// The sequence with one more element, before `position` or at the end.
  public static let sequenceInsert = OperatorSchema(
    name: "SequenceInsert", versions: [11],
    inputs: [
      sequenceInput, Parameter("tensor", .all, group: 0, kind: .any), Parameter("position", .indices, group: 0, .optional),
    ],
    outputs: [Parameter("output_sequence", .all, group: 0, kind: .sequence)]
  ) { context throws(ApusError) in
    context.setOutput(0, context.valueType(0))
  }

  /// The sequence without the element at `position`, or without its last.
  public static let sequenceErase = OperatorSchema(
    name: "SequenceErase", versions: [11],
    inputs: [sequenceInput, Parameter("position", .indices, group: 0, .optional)],
    outputs: [Parameter("output_sequence", .all, group: 0, kind: .sequence)]
  ) { context throws(ApusError) in
    context.setOutput(0, context.valueType(0))
  }

  /// The number of elements, a scalar.
  public static let sequenceLength = OperatorSchema(
    name: "SequenceLength", versions: [11], inputs: [sequenceInput], outputs: [Parameter("length", TypeSet(.int64), group: 0)]
  ) { context throws(ApusError) in
    context.setOutput(0, .int64, [])
  }

  /// The parts of a tensor along `axis`: of extent 1, of the extent `split`, or of the extents `split`.
  public static let splitToSequence = OperatorSchema(
    name: "SplitToSequence", versions: [11, 24],
    inputs: [Parameter("input", .all), Parameter("split", .indices, group: 0, .optional)],
    outputs: [Parameter("output_sequence", .all, group: 0, kind: .sequence)],
    attributes: [AttributeSchema("axis", default: .int(0)), AttributeSchema("keepdims", default: .int(1))]
  ) { context throws(ApusError) in
    context.setOutput(0, .sequence(.tensor(TensorType(try context.elementType(0), nil))))
  }

  /// The elements of a sequence, joined along `axis`, or stacked along it as a new one.
  public static let concatFromSequence = OperatorSchema(
    name: "ConcatFromSequence", versions: [11], inputs: [sequenceInput],
    outputs: [Parameter("concat_result", .all, group: 0)],
    attributes: [AttributeSchema("axis", .int, required: true), AttributeSchema("new_axis", default: .int(0))]
  ) { context throws(ApusError) in
    if case .tensor(let type) = element(context, 0) { context.setOutput(0, type.elementType, nil) }
  }

  /// Runs a subgraph on each element of its sequences.
  public static let sequenceMap = OperatorSchema(
    name: "SequenceMap", versions: [17],
    inputs: [sequenceInput, Parameter("additional_inputs", .all, group: 0, .variadicOptional, kind: .any)],
    outputs: [Parameter("out_sequence", .all, group: 0, .variadic, kind: .sequence)],
    attributes: [AttributeSchema("body", .graph, required: true)]
  ) { _ throws(ApusError) in }

  /// An optional that holds the operand, or nothing of the type `type`.
  public static let optional = OperatorSchema(
    name: "Optional", versions: [15], inputs: [Parameter("input", .all, group: 0, .optional, kind: .any)],
    outputs: [Parameter("output", .all, group: 0, kind: .any)], attributes: [AttributeSchema("type", .type)]
  ) { context throws(ApusError) in
    if let type = context.valueType(0) ?? context.attributes.type("type") { context.setOutput(0, .optional(type)) }
  }

  /// What an optional holds; a value that is no optional is what it holds.
  public static let optionalGetElement = OperatorSchema(
    name: "OptionalGetElement", versions: [18], inputs: [Parameter("input", .all, group: 0, kind: .any)],
    outputs: [Parameter("output", .all, group: 0, kind: .any)]
  ) { context throws(ApusError) in
    if case .optional(let element) = context.valueType(0) {
      context.setOutput(0, element)
    } else {
      context.setOutput(0, context.valueType(0))
    }
  }

  /// Whether an optional holds something, a scalar; false where the operand is left out.
  public static let optionalHasElement = OperatorSchema(
    name: "OptionalHasElement", versions: [18], inputs: [Parameter("input", .all, group: 0, .optional, kind: .any)],
    outputs: [Parameter("output", TypeSet(.bool), group: 0)]
  ) { context throws(ApusError) in
    context.setOutput(0, .bool, [])
  }
}
