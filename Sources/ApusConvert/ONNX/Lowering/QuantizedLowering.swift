import ApusGraph

// ONNX Runtime's operators on quantized tensors with a scale and zero point for each: the operator in real numbers between
// DequantizeLinear and QuantizeLinear. One of a tensor without a zero point has 0.

extension Lowering {
  static let quantized: [Rule] = [
    Rule("QLinearAdd", { node throws(ApusError) in try binary(node, "Add") }),
    Rule("QLinearMul", { node throws(ApusError) in try binary(node, "Mul") }),
    Rule("QLinearSigmoid", { node throws(ApusError) in try unary(node, "Sigmoid") }),
    Rule("QLinearLeakyRelu", { node throws(ApusError) in try unary(node, "LeakyRelu") }),
    Rule("QLinearSoftmax", { node throws(ApusError) in try softmax(node) }),
    Rule("QLinearReduceMean", { node throws(ApusError) in try mean(node) }),
    Rule("QLinearAveragePool", { node throws(ApusError) in try pool(node, "AveragePool") }),
    Rule("QLinearGlobalAveragePool", { node throws(ApusError) in try pool(node, "GlobalAveragePool") }),
    Rule("QLinearWhere", { node throws(ApusError) in try select(node) }),
    Rule("QLinearConcat", { node throws(ApusError) in try concat(node) }),
    Rule("QLinearConv", { node throws(ApusError) in try convolution(node) }),
  ]

  /// The real numbers of the tensor, scale and zero point at `index` and behind.
  private static func real(_ node: Adaptation, _ index: Int) throws(ApusError) -> ValueID {
    try node.emit("DequantizeLinear", [node.input(index), node.input(index + 1), node.input(index + 2)])
  }

  /// Makes the node the quantization of `value`, with the scale at `index` and the zero point behind it, to the element type of
  /// input `like` where there is no zero point.
  private static func quantize(_ node: Adaptation, _ value: ValueID, _ index: Int, like: Int) {
    let scale = node.input(index)
    let zero = node.input(index + 1)
    guard zero < 0 else { return node.replace("QuantizeLinear", [value, scale, zero]) }
    let type = node.tensorType(node.input(like))?.elementType ?? .uint8
    node.replace("QuantizeLinear", [value, scale], [Attribute("output_dtype", .int(Int64(type.rawValue)))])
  }

  private static func binary(_ node: Adaptation, _ name: Name) throws(ApusError) {
    try node.requireInputs(2)
    let result = try node.emit(name, [try real(node, 0), try real(node, 3)])
    quantize(node, result, 6, like: 0)
  }

  private static func unary(_ node: Adaptation, _ name: Name) throws(ApusError) {
    try node.requireInputs(2)
    quantize(node, try node.emit(name, [try real(node, 0)], node.node.attributes), 3, like: 0)
  }

  private static func softmax(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(2)
    let operatorSet = try node.takeInt("opset") ?? 13
    let axis = try node.takeInt("axis") ?? -1
    let x = try real(node, 0)
    if operatorSet >= 13 { return quantize(node, try node.emit("Softmax", [x], [Attribute("axis", .int(axis))]), 3, like: 0) }
    // Over all axes from `axis` on.
    let rows = try node.emit("Flatten", [x], [Attribute("axis", .int(axis))])
    let result = try node.emit("Softmax", [rows], [Attribute("axis", .int(-1))])
    quantize(node, try node.emit("Reshape", [result, try node.emit("Shape", [x])]), 3, like: 0)
  }

  private static func mean(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(2)
    let axes = try node.takeInts("axes")
    var operands = [try real(node, 0)]
    if let axes { operands.append(try node.constant(axes)) }
    quantize(node, try node.emit("ReduceMean", operands, node.node.attributes), 3, like: 0)
  }

  private static func select(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(3)
    let result = try node.emit("Where", [node.input(0), try real(node, 1), try real(node, 4)])
    quantize(node, result, 7, like: 1)
  }

  private static func concat(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(1)
    var parts: [ValueID] = []
    var index = 2
    while index < node.node.inputs.count {
      parts.append(try real(node, index))
      index += 3
    }
    quantize(node, try node.emit("Concat", parts, node.node.attributes), 0, like: 2)
  }

  private static func pool(_ node: Adaptation, _ name: Name) throws(ApusError) {
    try node.requireInputs(2)
    let isChannelsLast = try node.takeInt("channels_last") ?? 0 != 0
    let attributes = node.node.attributes
    let x = try real(node, 0)
    guard isChannelsLast else { return quantize(node, try node.emit(name, [x], attributes), 3, like: 0) }
    let rank = try node.rank(node.input(0))
    let pooled = try node.emit(name, [try channelsSecond(node, x, rank: rank)], attributes)
    quantize(node, try channelsLast(node, pooled, rank: rank), 3, like: 0)
  }

  /// ONNX's own operator, where channels are not last.
  private static func convolution(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(4)
    let isChannelsLast = try node.takeInt("channels_last") ?? 0 != 0
    var operands = node.node.inputs
    guard isChannelsLast else { return node.replace("QLinearConv", operands, node.node.attributes) }
    let rank = try node.rank(operands[0])
    operands[0] = try channelsSecond(node, operands[0], rank: rank)
    let result = try node.emit("QLinearConv", operands, node.node.attributes)
    node.replace("Transpose", [result], [permutation(lastOrder(rank))])
  }
}
