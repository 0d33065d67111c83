import ApusGraph

/// Matrix products and LSTM layers on integers whose left operand gets its range in each run: weights int8 with a scale for each
/// column, the operand uint8. Weights of other layers are int8 in blocks, and their sums float32. No samples are needed.
struct DynamicQuantization {
  private(set) var draft: ModelDraft
  private(set) var layers: [WeightQuantization.Layer] = []
  private(set) var floats: [(node: String, operatorName: String, reason: String)] = []
  private let options: QuantizationOptions
  /// By the operand: its codes, scale and zero point.
  private var operands: [ValueID: [ValueID]] = [:]

  private static let leastElements = 256

  init(_ draft: ModelDraft, options: QuantizationOptions) throws(ApusError) {
    self.draft = draft
    self.options = options
    let recurrences = try DynamicRecurrences(draft) { Self.isExcluded($0, draft, options) }
    layers = recurrences.layers
    let others = try WeightQuantization(recurrences.draft, options: options, .besideProducts)
    if let unknown = others.unknownExclusions.first {
      throw ApusError(.unknownName, "no node has the name that is to be excluded", actual: unknown)
    }
    self.draft = others.draft
    layers += others.layers
    floats += others.floats
    var nodes: [Node] = []
    var removed: Set<Int> = []
    let biases = self.draft.addedBiases()
    let graph = self.draft.graph
    for (position, node) in graph.nodes.enumerated() where !removed.contains(position) {
      guard let weights = weights(of: node) else {
        nodes.append(node)
        continue
      }
      let bias = biases[position]
      guard !Self.isExcluded(node, self.draft, options) else {
        floats.append((node.title, node.operatorName.string, "excluded"))
        nodes.append(node)
        continue
      }
      var node = node
      if let bias {
        node.outputs = graph.nodes[bias.position].outputs
        removed.insert(bias.position)
      }
      nodes += try rewritten(node, weights, bias: bias?.constant)
    }
    self.draft.graph.nodes = nodes
  }

  private static func isExcluded(_ node: Node, _ draft: ModelDraft, _ options: QuantizationOptions) -> Bool {
    ([node.title] + node.outputs.filter { $0 >= 0 }.map { draft.name($0) }).contains { options.excluded.contains($0) }
  }

  /// Whether the columns of a node's weights stand first; nil for nodes that stay float.
  private mutating func weights(of node: Node) -> Bool? {
    guard node.domain == .onnx else { return nil }
    switch node.operatorName {
    case "MatMul", "Gemm":
      guard node.inputs.count > 1, draft.tensor(node.inputs[0]) == nil, draft.isFloatConstant(node.inputs[1]),
        let tensor = draft.tensor(node.inputs[1]), tensor.dimensions.count == 2,
        (elementCount(tensor.dimensions) ?? 0) >= Self.leastElements
      else { return nil }
      guard node.isStandard("Gemm") else { return false }
      let columnsFirst = node.int("transB") != 0
      let columns = tensor.dimensions[columnsFirst ? 0 : 1]
      var isRow = true
      if node.inputs.count > 2, node.inputs[2] >= 0 {
        let bias = draft.tensor(node.inputs[2])?.dimensions ?? []
        isRow = draft.isFloatConstant(node.inputs[2]) && elementCount(bias) == columns && bias.last == columns
      }
      guard node.int("transA") == 0, node.float("alpha", default: 1) == 1, node.float("beta", default: 1) == 1, isRow else {
        floats.append((node.title, "Gemm", "it turns or scales its operand, or its bias is no row of constants"))
        return nil
      }
      return columnsFirst
    case "Conv", "ConvTranspose", "LSTM", "GRU", "RNN":
      guard !Self.isExcluded(node, draft, options) else { break }
      let isConvolution = node.operatorName == "Conv" || node.operatorName == "ConvTranspose"
      floats.append(
        (
          node.title, node.operatorName.string,
          isConvolution
            ? "the scheme is for matrix products and LSTM; static quantizes convolutions"
            : "the scheme has no integer form of it"
        ))
    default: break
    }
    return nil
  }

  private mutating func rewritten(_ node: Node, _ columnsFirst: Bool, bias: ValueID?) throws(ApusError) -> [Node] {
    guard let tensor = draft.tensor(node.inputs[1]) else { return [node] }
    let values = try draft.finiteFloats(node.inputs[1])
    let axis = columnsFirst ? 0 : 1
    let quantized = ChannelWeights(values, dimensions: tensor.dimensions, axis: axis)
    let (rows, columns) = (tensor.dimensions[1 - axis], tensor.dimensions[axis])
    var codes = quantized.codes
    if columnsFirst {
      for column in 0..<columns { for row in 0..<rows { codes[row * columns + column] = quantized.codes[column * rows + row] } }
    }
    layers.append(
      WeightQuantization.Layer(
        node: node.title, operatorName: node.operatorName.string, elements: values.count, bits: 8, block: rows,
        error: ErrorSums(values, quantized.values)))
    let name = draft.name(node.inputs[1])
    let (operand, before) = dynamicOperand(node.inputs[0])
    let weights = draft.addConstant(name + ".codes", .int8, [rows, columns], codes)
    let scale = draft.addConstant(name + ".scale", .float32, [columns], quantized.scales)
    var inputs = [operand[0], weights, operand[1], scale, operand[2], .absent]
    let added = bias ?? (node.inputs.count > 2 && node.inputs[2] >= 0 ? node.inputs[2] : nil)
    if let added { inputs.append(draft.addConstant(draft.name(added) + ".row", .float32, [columns], try draft.floats(added))) }
    let product = Node(
      name: node.name, domain: .microsoft, operatorName: "MatMulIntegerToFloat", sinceVersion: 1, inputs: inputs,
      outputs: node.outputs)
    return before + [product]
  }

  /// What several products read is quantized once. Each row has a range of its own where the release has an operator for it.
  private mutating func dynamicOperand(_ id: ValueID) -> (values: [ValueID], nodes: [Node]) {
    if let known = operands[id] { return (known, []) }
    let name = draft.name(id)
    let shape = draft.graph.values[Int(id)].type?.tensor?.shape
    let values = [
      draft.addValue(name + ".codes", .uint8, shape), draft.addValue(name + ".scale", .float32, nil),
      draft.addValue(name + ".zero", .uint8, nil),
    ]
    operands[id] = values
    let byRow = OperatorRegistry.full.schemas(domain: .apus, name: "DynamicQuantizeLinear").last?.versions.last
    return (
      values,
      [
        Node(
          name: Name(name + ".quantize"), domain: byRow == nil ? .onnx : .apus, operatorName: "DynamicQuantizeLinear",
          sinceVersion: byRow ?? 11, inputs: [id], outputs: values)
      ]
    )
  }
}

extension ModelDraft {
  /// Constants that an Add puts on each row of what a MatMul with constant weights gives, and nothing else reads: by the
  /// position of the product that of the Add and the constant.
  func addedBiases() -> [Int: (position: Int, constant: ValueID)] {
    let (readers, writers) = (readers, writers)
    var biases: [Int: (position: Int, constant: ValueID)] = [:]
    for (position, node) in graph.nodes.enumerated() where node.isStandard("Add") && node.inputs.count == 2 {
      for (value, constant) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
        guard let writer = writers[value], graph.nodes[writer].isStandard("MatMul"), readers[Int(value)] == 1,
          isFloatConstant(constant), let weights = tensor(graph.nodes[writer].inputs[1]), weights.dimensions.count == 2,
          tensor(constant)?.dimensions == [weights.dimensions[1]]
        else { continue }
        biases[writer] = (position, constant)
        break
      }
    }
    return biases
  }
}
