extension OperatorSchema {
  /// Checks a node against its schema: counts, element types, attributes. Shapes are the shape rule's matter.
  /// - Parameters:
  ///   - operands: what is known of each input that is a tensor; nil for those left out or of unknown type.
  ///   - valueTypes: the type of each input, of whatever kind, where it is known; none to leave kinds unchecked.
  public func check(_ node: Node, inputs operands: [Operand?], valueTypes: [ValueType?] = []) throws(ApusError) {
    try checkCounts(node)
    try checkKinds(node, valueTypes)
    try checkTypes(node, operands)
    try checkAttributes(node)
  }

  private func checkKinds(_ node: Node, _ types: [ValueType?]) throws(ApusError) {
    for (index, type) in types.enumerated() {
      guard let type else { continue }
      let parameter = parameter(index, of: inputs)
      switch (parameter.kind, type) {
      case (.any, _), (.tensor, .tensor), (.sequence, .sequence), (.optional, .optional): continue
      default:
        throw ApusError(
          .typeMismatch, "the operator takes another kind of value", operatorName: node.label,
          tensorName: parameter.name.text, expected: parameter.kind.text, actual: type.kindText)
      }
    }
  }

  private func checkCounts(_ node: Node) throws(ApusError) {
    guard node.inputs.count >= minimumInputs, node.inputs.count <= maximumInputs else {
      throw ApusError(
        .invalidModel, "wrong number of inputs", operatorName: node.label,
        expected: OperatorSchema.range(minimumInputs, maximumInputs), actual: "\(node.inputs.count)")
    }
    guard node.outputs.count >= minimumOutputs, node.outputs.count <= maximumOutputs else {
      throw ApusError(
        .invalidModel, "wrong number of outputs", operatorName: node.label,
        expected: OperatorSchema.range(minimumOutputs, maximumOutputs), actual: "\(node.outputs.count)")
    }
    for (index, id) in node.inputs.enumerated() where id < 0 && !parameter(index, of: inputs).mayBeAbsent {
      throw ApusError(
        .invalidModel, "a required input is left out", operatorName: node.label,
        tensorName: parameter(index, of: inputs).name.text)
    }
    for (index, id) in node.outputs.enumerated() where id < 0 && !parameter(index, of: outputs).mayBeAbsent {
      throw ApusError(
        .invalidModel, "a required output is left out", operatorName: node.label,
        tensorName: parameter(index, of: outputs).name.text)
    }
  }

  private func checkTypes(_ node: Node, _ operands: [Operand?]) throws(ApusError) {
    var groups: [(group: Int, type: ElementType)] = []
    for (index, operand) in operands.enumerated() {
      guard let operand else { continue }
      let parameter = parameter(index, of: inputs)
      let type = operand.type.elementType
      guard parameter.types.contains(type) else {
        throw ApusError(
          .unsupportedType, "the operator does not take this element type", operatorName: node.label,
          tensorName: parameter.name.text, expected: parameter.types.text, actual: type.name.text)
      }
      guard parameter.group != 0 else { continue }
      if let first = groups.first(where: { $0.group == parameter.group }) {
        guard first.type == type else {
          throw ApusError(
            .typeMismatch, "inputs that must have one element type have two", operatorName: node.label,
            tensorName: parameter.name.text, expected: first.type.name.text, actual: type.name.text)
        }
      } else {
        groups.append((parameter.group, type))
      }
    }
  }

  private func checkAttributes(_ node: Node) throws(ApusError) {
    for (index, attribute) in node.attributes.enumerated() {
      for earlier in node.attributes[..<index] where earlier.name == attribute.name {
        throw ApusError(
          .invalidAttribute, "attribute '" + attribute.name.string + "' is given twice", operatorName: node.label)
      }
      guard let known = attributes.first(where: { $0.name == attribute.name }) else {
        throw ApusError(
          .invalidAttribute, "the operator has no attribute '" + attribute.name.string + "'", operatorName: node.label)
      }
      guard known.kind == attribute.value.kind else {
        throw ApusError(
          .invalidAttribute, "attribute '" + attribute.name.string + "' has the wrong kind", operatorName: node.label,
          expected: known.kind.text, actual: attribute.value.kind.text)
      }
    }
    for attribute in attributes where attribute.isRequired {
      guard node.attributes.contains(where: { $0.name == attribute.name }) else {
        throw ApusError(
          .invalidAttribute, "attribute '" + attribute.name.string + "' is missing", operatorName: node.label,
          expected: attribute.kind.text)
      }
    }
  }

  private static func range(_ low: Int, _ high: Int) -> String {
    if low == high { return "\(low)" }
    return high == Int.max ? "\(low) or more" : "\(low) to \(high)"
  }
}

extension Parameter {
  var mayBeAbsent: Bool { arity == .optional || arity == .variadicOptional }
}

extension Parameter.Kind {
  /// The name used in messages.
  public var text: String {
    switch self {
    case .tensor: "tensor"
    case .sequence: "sequence"
    case .optional: "optional"
    case .any: "any value"
    }
  }
}

extension ValueType {
  /// The name of the kind, for messages.
  public var kindText: String {
    switch self {
    case .tensor: "tensor"
    case .sequence: "sequence"
    case .optional: "optional"
    case .map: "map"
    }
  }
}
