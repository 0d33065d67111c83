import ApusGraph

// ONNX Runtime's normalizations of sums, as transformer exporters and optimizers write them: the sum, and the standard
// normalization of it.

extension Lowering {
  static let normalizations: [Rule] = [
    Rule("EmbedLayerNormalization", { node throws(ApusError) in try embedding(node) }),
    Rule("SimplifiedLayerNormalization", { node throws(ApusError) in try simplified(node) }),
    Rule("SkipLayerNormalization", { node throws(ApusError) in try skip(node) }),
    Rule("SkipSimplifiedLayerNormalization", { node throws(ApusError) in try skipSimplified(node) }),
  ]

  /// `input + skip + bias`; also the node's output 3, where somebody reads it.
  private static func sum(_ node: Adaptation, bias: Int) throws(ApusError) -> ValueID {
    let bias = node.input(bias)
    let isRead = node.output(3) >= 0
    let total = isRead && bias < 0 ? [node.output(3)] : nil
    let sum = try node.emit("Add", [node.input(0), node.input(1)], outputs: total)
    guard bias >= 0 else { return sum }
    return try node.emit("Add", [sum, bias], outputs: isRead ? [node.output(3)] : nil)
  }

  private static func attributes(_ node: Adaptation, epsilon: Float) throws(ApusError) -> [Attribute] {
    [Attribute("axis", .int(-1)), Attribute("epsilon", .float(try node.takeFloat("epsilon") ?? epsilon))]
  }

  /// input, skip, gamma, beta, bias to output, mean, 1 / deviation, and the sum.
  private static func skip(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(3)
    let attributes = try attributes(node, epsilon: 1e-12)
    let total = try sum(node, bias: 4)
    let inputs = [total, node.input(2)] + (node.input(3) >= 0 ? [node.input(3)] : [])
    node.replace("LayerNormalization", inputs, attributes, outputs: Array(node.node.outputs.prefix(3)))
  }

  /// input, skip, gamma, bias to output, (mean), (1 / deviation), and the sum.
  private static func skipSimplified(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(3)
    guard node.output(1) < 0, node.output(2) < 0 else {
      throw node.unsupported("the statistics of a normalization are for training", expected: "outputs 0 and 3 alone")
    }
    let attributes = try attributes(node, epsilon: 1e-12)
    let total = try sum(node, bias: 3)
    node.replace("RMSNormalization", [total, node.input(2)], attributes, outputs: [node.output(0)])
  }

  private static func simplified(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(2)
    guard node.output(1) < 0 else {
      throw node.unsupported("the statistics of a normalization are for training", expected: "one output")
    }
    let axis = try node.takeInt("axis") ?? -1
    let epsilon = try node.takeFloat("epsilon") ?? 1e-5
    node.replace(
      "RMSNormalization", [node.input(0), node.input(1)],
      [Attribute("axis", .int(axis)), Attribute("epsilon", .float(epsilon))], outputs: [node.output(0)])
  }

  /// input_ids, segment_ids, word, position and segment embedding, gamma, beta, mask, position_ids to output, the count of
  /// each row's mask, and the sum of the embeddings.
  private static func embedding(_ node: Adaptation) throws(ApusError) {
    for index in [0, 2, 3, 5, 6] where node.input(index) < 0 {
      throw ApusError(.invalidModel, "a required input is left out", operatorName: node.node.label, actual: "input \(index)")
    }
    let ids = node.input(0)
    let words = try node.emit("Gather", [node.input(2), ids])
    let positions: ValueID
    if node.input(8) >= 0 {
      positions = try node.emit("Gather", [node.input(3), node.input(8)])
    } else {
      // The first positions, as many as the rows are long.
      let length = try node.emit("Shape", [ids], [Attribute("start", .int(1)), Attribute("end", .int(2))])
      positions = try node.emit(
        "Slice", [node.input(3), try node.constant([0]), length, try node.constant([0])])
    }
    let hasSegments = node.input(1) >= 0 && node.input(4) >= 0
    let target = node.output(2) >= 0 ? [node.output(2)] : nil
    var total = try node.emit("Add", [words, positions], outputs: hasSegments ? nil : target)
    if hasSegments {
      total = try node.emit("Add", [total, try node.emit("Gather", [node.input(4), node.input(1)])], outputs: target)
    }
    if node.output(1) >= 0 { try maskIndex(node, ids) }
    let attributes = try attributes(node, epsilon: 1e-12)
    node.replace(
      "LayerNormalization", [total, node.input(5), node.input(6)], attributes, outputs: [node.output(0)])
  }

  /// How many elements of each row the mask keeps; 0 without a mask.
  private static func maskIndex(_ node: Adaptation, _ ids: ValueID) throws(ApusError) {
    if node.input(7) >= 0 {
      try node.emit(
        "ReduceSum", [node.input(7), try node.constant([1])], [Attribute("keepdims", .int(0))], outputs: [node.output(1)])
      return
    }
    let rows = try node.emit("Shape", [ids], [Attribute("start", .int(0)), Attribute("end", .int(1))])
    let zero = try node.builder.addTensor(.int32, [1], [0, 0, 0, 0])
    try node.emit("ConstantOfShape", [rows], [Attribute("value", .tensor(zero))], outputs: [node.output(1)])
  }
}
