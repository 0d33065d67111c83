import ApusGraph

// ONNX Runtime's operators that are one standard operator, or two.

extension Lowering {
  static let renamed: [Rule] = [
    Rule("GemmFastGelu", { node throws(ApusError) in try gemmGelu(node) }),
    Rule("BiasAdd", { node throws(ApusError) in try biasAdd(node) }),
    Rule("ExpandDims", { node throws(ApusError) in try expandDims(node) }),
    Rule("ReduceSumInteger", { node throws(ApusError) in try reduceSumInteger(node) }),
    Rule("QuantizeLinear", standard),
    Rule("DequantizeLinear", standard),
    Rule("Trilu", standard),
    Rule("GatherND", standard),
    Rule("Pad", standard),
  ]

  /// The standard operator of the same name, inputs and attributes.
  private static let standard: Change = { node in node.node.domain = .onnx }

  private static func gemmGelu(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(2)
    var product = try node.emit("MatMul", [node.input(0), node.input(1)])
    if node.input(2) >= 0 { product = try node.emit("Add", [product, node.input(2)]) }
    node.replace("Gelu", [product], [Attribute("approximate", .string("tanh"))])
  }

  private static func biasAdd(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(3)
    node.replace("Add", [try node.emit("Add", [node.input(0), node.input(1)]), node.input(2)])
  }

  private static func expandDims(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(2)
    let axis = try node.emit("Cast", [node.input(1)], [.to(.int64)])
    node.replace("Unsqueeze", [node.input(0), try node.emit("Reshape", [axis, try node.constant([1])])])
  }

  /// Sums of 8-bit integers in 32 bits of the same sign.
  private static func reduceSumInteger(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(1)
    guard let type = node.tensorType(node.input(0))?.elementType else {
      throw node.unsupported("this form of the operator can be rewritten only where its input's element type is known")
    }
    let axes = try node.takeInts("axes")
    var operands = [try node.emit("Cast", [node.input(0)], [.to(type == .uint8 ? .uint32 : .int32)])]
    if let axes { operands.append(try node.constant(axes)) }
    node.replace("ReduceSum", operands, node.node.attributes)
  }
}
