import ApusGraph

/// LSTM layers with 8-bit weights, a scale for each column of each direction, whose operands get their ranges in each run:
/// DynamicQuantizeLSTM of com.microsoft, which other runtimes of ONNX know, too.
struct DynamicRecurrences {
  private(set) var draft: ModelDraft
  private(set) var layers: [WeightQuantization.Layer] = []

  private static let leastElements = 1024

  /// - Parameter isExcluded: whether a node stays as it is.
  init(_ draft: ModelDraft, isExcluded: (Node) -> Bool) throws(ApusError) {
    self.draft = draft
    for (position, node) in draft.graph.nodes.enumerated() where node.isStandard("LSTM") && !isExcluded(node) {
      guard node.int("layout") == 0, let weights = shape(node, 1), let recurrence = shape(node, 2) else { continue }
      var made = node
      (made.domain, made.operatorName, made.sinceVersion) = (.microsoft, "DynamicQuantizeLSTM", 1)
      made.attributes.removeAll { $0.name == "layout" }
      made.inputs += Array(repeating: .absent, count: 8 - node.inputs.count)
      for (index, dimensions) in [(1, weights), (2, recurrence)] {
        let (codes, parameters) = try quantized(node, index, dimensions)
        made.inputs[index] = codes
        made.inputs += parameters
      }
      self.draft.graph.nodes[position] = made
    }
  }

  /// The shape of weights `[directions, 4 hidden, inputs]` that are large enough; nil for others.
  private func shape(_ node: Node, _ index: Int) -> [Int]? {
    guard node.inputs.count > index, node.inputs.count <= 8, draft.isFloatConstant(node.inputs[index]),
      let dimensions = draft.tensor(node.inputs[index])?.dimensions, dimensions.count == 3,
      (elementCount(dimensions) ?? 0) >= Self.leastElements
    else { return nil }
    return dimensions
  }

  /// - Returns: codes `[directions, inputs, 4 hidden]`, and their scales and zero points `[directions, 4 hidden]`.
  private mutating func quantized(
    _ node: Node, _ index: Int, _ dimensions: [Int]
  ) throws(ApusError) -> (codes: ValueID, parameters: [ValueID]) {
    let (directions, columns, inputs) = (dimensions[0], dimensions[1], dimensions[2])
    let values = try draft.finiteFloats(node.inputs[index])
    let quantized = ChannelWeights(values, dimensions: [directions * columns, inputs], axis: 0)
    layers.append(
      WeightQuantization.Layer(
        node: node.title, operatorName: "LSTM", elements: values.count, bits: 8, block: inputs,
        error: ErrorSums(values, quantized.values)))
    var turned = quantized.codes
    for direction in 0..<directions {
      for column in 0..<columns {
        let row = direction * columns + column
        for input in 0..<inputs {
          turned[(direction * inputs + input) * columns + column] = quantized.codes[row * inputs + input]
        }
      }
    }
    let name = draft.name(node.inputs[index])
    let zeros = [Int8](repeating: 0, count: directions * columns)
    return (
      draft.addConstant(name + ".codes", .int8, [directions, inputs, columns], turned),
      [
        draft.addConstant(name + ".scale", .float32, [directions, columns], quantized.scales),
        draft.addConstant(name + ".zero", .int8, [directions, columns], zeros),
      ]
    )
  }
}
