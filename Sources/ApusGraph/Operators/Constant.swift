extension OperatorSchema {
  /// A tensor that is part of the model. Exactly one attribute gives it.
  public static let constant = OperatorSchema(
    name: "Constant", versions: [21, 23, 24, 25], inputs: [], outputs: [Parameter("output", .all)],
    attributes: [
      AttributeSchema("value", .tensor), AttributeSchema("value_float", .float), AttributeSchema("value_floats", .floats),
      AttributeSchema("value_int", .int), AttributeSchema("value_ints", .ints),
    ]
  ) { context throws(ApusError) in
    guard context.node.attributes.count == 1, let attribute = context.node.attributes.first else {
      throw ApusError(
        .invalidAttribute, "a constant has one value", operatorName: context.node.label, expected: "1 attribute",
        actual: "\(context.node.attributes.count)")
    }
    switch attribute.value {
    case .tensor(let id):
      guard id >= 0, Int(id) < context.tensors.count else {
        throw context.attributeError("value", expected: "a tensor of the model", actual: "\(id)")
      }
      let tensor = context.tensors[Int(id)]
      context.setOutput(0, tensor.elementType, Shape(tensor.dimensions))
    case .float: context.setOutput(0, .float32, [])
    case .floats(let values): context.setOutput(0, .float32, [values.count])
    case .int: context.setOutput(0, .int64, [])
    case .ints(let values): context.setOutput(0, .int64, [values.count])
    default: break
    }
  }
}
