import ApusGraph

/// Writes a plan down as operators that every runtime of ONNX knows: QuantizeLinear and DequantizeLinear around float operators,
/// weights int8 and biases int32 under a DequantizeLinear.
struct StaticQuantization {
  /// A node with weights that became integers.
  struct Layer: Sendable {
    let node: String
    let operatorName: String
    let input: ValueID
    /// What became codes last on its way: its own output, or that of its activation; nil where its results stay float.
    var output: ValueID?
    let weights: ErrorSums
    let elements: Int
  }

  private(set) var draft: ModelDraft
  private(set) var layers: [Layer] = []
  /// For each value that became codes the value that its readers read in its place.
  private(set) var replacements: [ValueID: ValueID] = [:]
  private let plan: QuantizationPlan
  let parameters: [ValueID: UInt8Parameters]
  /// What is added to biases, by position of the node that has weights.
  private let corrections: [Int: [Double]]
  private var constants: [UInt64: (scale: ValueID, zero: ValueID)] = [:]
  private let writers: [ValueID: Int]

  /// - Parameters:
  ///   - parameters: of every value of `plan.quantized`.
  ///   - channelMeans: means of the channels of the products' inputs, for the correction of biases; none: no correction.
  init(
    _ draft: ModelDraft, _ plan: QuantizationPlan, parameters: [ValueID: UInt8Parameters], channelMeans: [ValueID: [Double]]
  ) throws(ApusError) {
    self.draft = draft
    self.plan = plan
    self.parameters = parameters
    writers = draft.writers
    corrections = try BiasCorrection(draft, plan, channelMeans).corrections
    var nodes: [Node] = []
    for id in plan.quantized where writers[id] == nil { nodes += codeNodes(id) }
    for (position, node) in draft.graph.nodes.enumerated() {
      let (made, weights) = try rewritten(node, position)
      nodes += weights
      nodes.append(made)
      for id in node.outputs where parameters[id] != nil { nodes += codeNodes(id) }
    }
    self.draft.graph.nodes = nodes
    findLayerOutputs(draft)
  }

  /// Puts a rewritten form of `draft` in its place.
  mutating func take(_ draft: ModelDraft) { self.draft = draft }

  // MARK: Activations

  private mutating func codeNodes(_ id: ValueID) -> [Node] {
    guard let parameters = parameters[id] else { return [] }
    let (scale, zero) = constant(parameters)
    let name = draft.name(id)
    let shape = draft.graph.values[Int(id)].type?.tensor?.shape
    let codes = draft.addValue(name + ".codes", .uint8, shape)
    let value = draft.addValue(name + ".quantized", .float32, shape)
    replacements[id] = value
    return [
      Node(
        name: Name(name + ".quantize"), operatorName: "QuantizeLinear", sinceVersion: Self.version,
        inputs: [id, scale, zero], outputs: [codes]),
      Node(
        name: Name(name + ".dequantize"), operatorName: "DequantizeLinear", sinceVersion: Self.version,
        inputs: [codes, scale, zero], outputs: [value]),
    ]
  }

  /// Equal parameters are one pair of constants.
  private mutating func constant(_ parameters: UInt8Parameters) -> (scale: ValueID, zero: ValueID) {
    let key = UInt64(parameters.scale.bitPattern) << 8 | UInt64(parameters.zero)
    if let known = constants[key] { return known }
    let pair = (
      scale: draft.addConstant("scale \(constants.count)", .float32, [], [parameters.scale]),
      zero: draft.addConstant("zero \(constants.count)", .uint8, [], [parameters.zero])
    )
    constants[key] = pair
    return pair
  }

  // MARK: Nodes

  private mutating func rewritten(_ node: Node, _ position: Int) throws(ApusError) -> (node: Node, weights: [Node]) {
    var made = node
    var weights: [Node] = []
    switch plan.roles[position] {
    case .product(let axis): weights = try quantizeWeights(&made, position, axis)
    case .arithmetic:
      for (index, id) in node.inputs.enumerated() where plan.constants.contains(id) {
        let (value, node) = try constantOperand(id)
        made.inputs[index] = value
        weights.append(node)
      }
    case .bias:
      if let index = node.inputs.firstIndex(where: { draft.tensor($0) != nil }),
        let product = writers[node.inputs[1 - index]], let correction = corrections[product]
      {
        made.inputs[index] = try corrected(node.inputs[index], correction)
      }
    default: break
    }
    made.inputs = made.inputs.map { replacements[$0] ?? $0 }
    return (made, weights)
  }

  private mutating func corrected(_ id: ValueID, _ correction: [Double]) throws(ApusError) -> ValueID {
    let values = try draft.finiteFloats(id)
    return draft.addConstant(
      draft.name(id) + ".corrected", .float32, [values.count], zip(values, correction).map { Float(Double($0) + $1) })
  }

  private mutating func quantizeWeights(_ node: inout Node, _ position: Int, _ axis: Int) throws(ApusError) -> [Node] {
    guard let tensor = draft.tensor(node.inputs[1]), let input = parameters[node.inputs[0]] else { return [] }
    let weights = try draft.finiteFloats(node.inputs[1])
    var bias: [Float]?
    if node.inputs.count > 2, node.inputs[2] >= 0 { bias = try draft.finiteFloats(node.inputs[2]) }
    let takesBias = !node.isStandard("MatMul")
    if takesBias, let correction = corrections[position] {
      bias = correction.enumerated().map { Float(Double(bias?[$0.offset] ?? 0) + $0.element) }
    }
    // A bias is at most 2^30 steps of its channel.
    let least = bias.map { $0.map { abs($0) / (input.scale * 0x1p30) } }
    let quantized = ChannelWeights(weights, dimensions: tensor.dimensions, axis: axis, leastScales: least)
    let name = draft.name(node.inputs[1])
    layers.append(
      Layer(
        node: node.title, operatorName: node.operatorName.string, input: node.inputs[0], output: nil,
        weights: ErrorSums(weights, quantized.values), elements: weights.count))
    let scale = draft.addConstant(name + ".scale", .float32, [quantized.scales.count], quantized.scales)
    let codes = draft.addConstant(name + ".codes", .int8, tensor.dimensions, quantized.codes)
    let value = draft.addValue(name + ".quantized", .float32, Shape(tensor.dimensions))
    var made = [dequantize(name, [codes, scale], value, axis: axis)]
    node.inputs[1] = value
    if let bias {
      let scales = quantized.scales.map { input.scale * $0 }
      let steps = zip(bias, scales).map { Int32(min(max(($0 / $1).rounded(.toNearestOrEven), -0x1p30), 0x1p30)) }
      let scale = draft.addConstant(name + ".bias.scale", .float32, [bias.count], scales)
      let codes = draft.addConstant(name + ".bias.codes", .int32, [bias.count], steps)
      let value = draft.addValue(name + ".bias.quantized", .float32, Shape([bias.count]))
      made.append(dequantize(name + ".bias", [codes, scale], value, axis: 0))
      node.inputs = [node.inputs[0], node.inputs[1], value]
    }
    return made
  }

  private func dequantize(_ name: String, _ inputs: [ValueID], _ output: ValueID, axis: Int) -> Node {
    Node(
      name: Name(name + ".dequantize"), operatorName: "DequantizeLinear", sinceVersion: Self.version, inputs: inputs,
      outputs: [output], attributes: [Attribute("axis", .int(Int64(axis)))])
  }

  /// A constant that is added or multiplied: uint8 with a range of its own.
  private mutating func constantOperand(_ id: ValueID) throws(ApusError) -> (value: ValueID, node: Node) {
    let values = try draft.finiteFloats(id)
    let dimensions = draft.tensor(id)?.dimensions ?? []
    let range = ValueRange(Double(values.min() ?? 0), Double(values.max() ?? 0))
    let parameters = UInt8Parameters(range)
    let (scale, zero) = constant(parameters)
    let name = draft.name(id)
    let codes = draft.addConstant(name + ".codes", .uint8, dimensions, values.map { parameters.code($0) })
    let value = draft.addValue(name + ".quantized", .float32, Shape(dimensions))
    let node = Node(
      name: Name(name + ".dequantize"), operatorName: "DequantizeLinear", sinceVersion: Self.version,
      inputs: [codes, scale, zero], outputs: [value])
    return (value, node)
  }

  private static let version: Int32 = 21

  // MARK: Report

  /// Follows each layer's result through its tail to the value that became codes.
  private mutating func findLayerOutputs(_ source: ModelDraft) {
    var readers: [ValueID: [Node]] = [:]
    for node in source.graph.nodes { for id in node.inputs where id >= 0 { readers[id, default: []].append(node) } }
    for (index, position) in plan.layers.enumerated() where index < layers.count {
      var id = source.graph.nodes[position].outputs[0]
      while parameters[id] == nil, plan.folded.contains(id), let next = readers[id]?.first { id = next.outputs[0] }
      layers[index].output = parameters[id] == nil ? nil : id
    }
  }
}
