import ApusGraph

// Softmax and its kin, and normalisations, whose meaning changed.

extension Adapter {
  /// Before 13 all axes from `axis` on are one: flatten to a matrix, normalise its rows, and give the shape back.
  static func flattenForSoftmax(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(1)
    let axis = try node.takeInt("axis") ?? 1
    let data = node.input(0)
    if let rank = node.shape(data)?.rank, rank > 0, axis == Int64(rank - 1) || axis == -1 {
      return node.set("axis", .int(-1))
    }
    node.set("axis", .int(-1))
    node.setInput(0, try node.emit("Flatten", [data], [Attribute("axis", .int(axis))]))
    let shape = try node.emit("Shape", [data])
    // An extent of 0 is one here, not a request to copy the input's.
    node.follow(output: 0, "Reshape", [Attribute("allowzero", .int(1))]) { result in [result, shape] }
  }

  /// BatchNormalization before 14 trains where its further outputs are read; before 7 an attribute says so. Before 9 its
  /// parameters may be one an element instead of one a channel.
  static func chooseBatchStatistics(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(5)
    let isTest = try node.takeInt("is_test") ?? 0
    let isSpatial = try node.takeInt("spatial") ?? 1
    // Files of operator sets before 7 state `is_test` and list the outputs of training all the same.
    let trains = node.operatorSet < 7 ? isTest == 0 : node.node.outputs.dropFirst().contains { $0 >= 0 }
    if isSpatial == 0 {
      guard !trains else { throw node.unsupported("training statistics of single elements are not computed") }
      return try normalizeElements(node)
    }
    if trains {
      node.set("training_mode", .int(1))
      node.node.outputs = Array(node.node.outputs.prefix(3))
    } else {
      node.node.outputs = Array(node.node.outputs.prefix(1))
    }
  }

  /// (x - mean) / sqrt(variance + epsilon) * scale + bias, parameters of the shape of one sample.
  private static func normalizeElements(_ node: Adaptation) throws(ApusError) {
    let inputs = node.node.inputs
    let epsilon = try node.scalar(try node.takeFloat("epsilon") ?? 1e-5, like: inputs[0])
    let deviation = try node.emit("Sqrt", [try node.emit("Add", [inputs[4], epsilon])])
    let centred = try node.emit("Sub", [inputs[0], inputs[3]])
    let scaled = try node.emit("Mul", [try node.emit("Div", [centred, deviation]), inputs[1]])
    node.replace("Add", [scaled, inputs[2]], outputs: [node.output(0)])
  }

  /// GroupNormalization before 21 has one scale and bias a group: each is spread over the channels of its group.
  static func spreadGroupParameters(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(3)
    guard case .int(let groups) = node.attribute("num_groups"), groups > 0 else { throw node.missing("num_groups") }
    let channels = try node.emit(
      "Shape", [node.input(0)], [Attribute("end", .int(2)), Attribute("start", .int(1))])
    let count = try node.constant([groups])
    let perGroup = try node.emit("Div", [channels, count])
    let spread = try node.emit("Concat", [count, perGroup], [Attribute("axis", .int(0))])
    for index in 1...2 {
      let column = try node.emit("Unsqueeze", [node.input(index), try node.constant([1])])
      let matrix = try node.emit("Expand", [column, spread])
      node.setInput(index, try node.emit("Reshape", [matrix, try node.constant([-1])]))
    }
  }
}
