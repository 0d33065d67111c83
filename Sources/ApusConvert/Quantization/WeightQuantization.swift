import ApusGraph

/// Stores weights as small integers in blocks, under a DequantizeLinear that gives the float32 weights which nodes read.
struct WeightQuantization {
  /// A tensor of weights that became integers.
  struct Layer: Sendable {
    let node: String
    let operatorName: String
    let elements: Int
    let bits: Int
    let block: Int
    let error: ErrorSums
  }

  private(set) var draft: ModelDraft
  private(set) var layers: [Layer] = []
  private(set) var floats: [(node: String, operatorName: String, reason: String)] = []
  private(set) var unknownExclusions: [String] = []
  private let options: QuantizationOptions
  /// By tensor and axis of the blocks.
  private var made: [Key: ValueID] = [:]

  private struct Key: Hashable {
    let id: ValueID
    let axis: Int
  }

  /// Smaller tensors save less than the nodes that they need.
  private static let leastElements = 256
  /// What 4 bits save of smaller ones is not worth their error: these have 8.
  private static let leastElementsOf4Bits = 1024

  /// Whose weights are taken.
  enum Selection {
    case all
    /// All but those of matrix products.
    case besideProducts
    /// Of nodes that write one of these.
    case writing(Set<ValueID>)
  }

  init(_ draft: ModelDraft, options: QuantizationOptions, _ selection: Selection = .all) throws(ApusError) {
    self.draft = draft
    self.options = options
    var known: Set<String> = []
    var nodes: [Node] = []
    for node in draft.graph.nodes {
      let names = [node.title] + node.outputs.filter { $0 >= 0 }.map { draft.name($0) }
      known.formUnion(names)
      guard let slot = slot(of: node), Self.takes(selection, node, slot) else {
        nodes.append(node)
        continue
      }
      var reason: String?
      if names.contains(where: { options.excluded.contains($0) }) {
        reason = "excluded"
      } else if try isBeyondRange(node, slot) {
        reason = "a weight is beyond what codes with float16 scales represent"
      }
      if let reason {
        floats.append((node.title, node.operatorName.string, reason))
        nodes.append(node)
      } else {
        nodes += try rewritten(node, slot)
      }
    }
    self.draft.graph.nodes = nodes
    unknownExclusions = options.excluded.subtracting(known).sorted()
  }

  private static func takes(_ selection: Selection, _ node: Node, _ slot: Slot) -> Bool {
    switch selection {
    case .all: true
    case .besideProducts: if case .product = slot { false } else { true }
    case .writing(let outputs): node.outputs.contains { outputs.contains($0) }
    }
  }

  /// Where the weights of a node are, and along which axis blocks lie.
  private enum Slot {
    /// Input 1, blocks along the axis that products sum over.
    case product(axis: Int)
    /// Input 1, seen as [outputs, all else].
    case convolution
    /// Input 0, rows of a table.
    case table
    /// Inputs 1 and 2: [directions, gates, inputs].
    case recurrent

    var inputs: [Int] {
      switch self {
      case .product, .convolution: [1]
      case .table: [0]
      case .recurrent: [1, 2]
      }
    }
  }

  /// Whether a weight is larger than the largest scale allows.
  private func isBeyondRange(_ node: Node, _ slot: Slot) throws(ApusError) -> Bool {
    for index in slot.inputs {
      let largest = try draft.finiteFloats(node.inputs[index]).reduce(0) { max($0, abs($1)) }
      if largest > 7 * Float(Float16.greatestFiniteMagnitude) { return true }
    }
    return false
  }

  private func slot(of node: Node) -> Slot? {
    guard node.domain == .onnx else { return nil }
    func isLarge(_ index: Int, rank: Int? = nil) -> Bool {
      guard index < node.inputs.count, draft.isFloatConstant(node.inputs[index]), let tensor = draft.tensor(node.inputs[index])
      else { return false }
      return (elementCount(tensor.dimensions) ?? 0) >= Self.leastElements && rank.map { $0 == tensor.dimensions.count } != false
    }
    switch node.operatorName {
    case "MatMul": return isLarge(1, rank: 2) ? .product(axis: 0) : nil
    case "Gemm": return isLarge(1, rank: 2) ? .product(axis: node.int("transB") == 0 ? 0 : 1) : nil
    case "Conv": return isLarge(1) ? .convolution : nil
    case "Gather": return isLarge(0, rank: 2) && node.int("axis") == 0 ? .table : nil
    case "LSTM", "GRU", "RNN": return isLarge(1, rank: 3) && isLarge(2, rank: 3) ? .recurrent : nil
    default: return nil
    }
  }

  private mutating func rewritten(_ node: Node, _ slot: Slot) throws(ApusError) -> [Node] {
    var node = node
    var before: [Node] = []
    switch slot {
    case .product(let axis): before += try dequantized(&node, 1, axis: axis)
    case .convolution: before += try convolution(&node)
    case .recurrent:
      before += try dequantized(&node, 1, axis: 2)
      before += try dequantized(&node, 2, axis: 2)
    case .table: return try table(node)
    }
    return before + [node]
  }

  // MARK: Constants

  private func quantized(_ weights: [Float], rows: Int, columns: Int, bits: Int) -> BlockWeights {
    BlockWeights(
      weights, rows: rows, columns: columns, block: options.block(bits: bits), bits: bits, isAsymmetric: options.isAsymmetric)
  }

  private func bits(_ elements: Int) -> Int {
    options.scheme == .weightsInt4 && elements >= Self.leastElementsOf4Bits ? 4 : 8
  }

  private mutating func note(_ node: Node, _ weights: [Float], _ quantized: BlockWeights) {
    layers.append(
      Layer(
        node: node.title, operatorName: node.operatorName.string, elements: weights.count, bits: quantized.bits,
        block: options.block(bits: quantized.bits), error: ErrorSums(weights, quantized.values)))
  }

  /// Adds codes, scales and zero points as constants.
  private mutating func constants(
    _ name: String, _ codes: [UInt8], _ dimensions: [Int], _ scales: [Float16], _ zeros: [UInt8], _ scaleDimensions: [Int],
    bits: Int
  ) -> [ValueID] {
    let type: ElementType =
      options.isAsymmetric ? (bits == 4 ? .uint4 : .uint8) : (bits == 4 ? .int4 : .int8)
    var ids = [
      draft.addConstant(name + ".codes", type, dimensions, BlockWeights.packed(codes, bits: bits)),
      draft.addConstant(name + ".scale", .float16, scaleDimensions, scales),
    ]
    if options.isAsymmetric {
      ids.append(draft.addConstant(name + ".zero", type, scaleDimensions, BlockWeights.packed(zeros, bits: bits)))
    }
    return ids
  }

  private func dequantize(_ name: String, _ inputs: [ValueID], _ output: ValueID, axis: Int, bits: Int) -> Node {
    Node(
      name: Name(name + ".dequantize"), operatorName: "DequantizeLinear", sinceVersion: 23, inputs: inputs, outputs: [output],
      attributes: [
        Attribute("axis", .int(Int64(axis))), Attribute("block_size", .int(Int64(options.block(bits: bits)))),
        Attribute("output_dtype", .int(Int64(ElementType.float32.rawValue))),
      ])
  }

  /// Weights whose blocks lie along one of their axes.
  private mutating func dequantized(_ node: inout Node, _ index: Int, axis: Int) throws(ApusError) -> [Node] {
    let id = node.inputs[index]
    if let known = made[Key(id: id, axis: axis)] {
      node.inputs[index] = known
      return []
    }
    guard let tensor = draft.tensor(id) else { return [] }
    let dimensions = tensor.dimensions
    let weights = try draft.floats(id)
    // Blocks are found along rows: an axis that is not the last one is turned to be it, and back.
    let isLast = axis == dimensions.count - 1
    let columns = dimensions[axis]
    let rows = weights.count / max(columns, 1)
    let turned = isLast ? weights : Self.transposed(weights, rows: columns, columns: rows)
    let bits = bits(weights.count)
    let quantized = quantized(turned, rows: rows, columns: columns, bits: bits)
    note(node, turned, quantized)
    var scaleDimensions = dimensions
    scaleDimensions[axis] = quantized.blocks
    let name = draft.name(id)
    let inputs = constants(
      name, isLast ? quantized.codes : Self.transposed(quantized.codes, rows: rows, columns: columns), dimensions,
      isLast ? quantized.scales : Self.transposed(quantized.scales, rows: rows, columns: quantized.blocks),
      isLast ? quantized.zeros : Self.transposed(quantized.zeros, rows: rows, columns: quantized.blocks), scaleDimensions,
      bits: bits)
    let value = draft.addValue(name + ".quantized", .float32, Shape(dimensions))
    made[Key(id: id, axis: axis)] = value
    node.inputs[index] = value
    return [dequantize(name, inputs, value, axis: axis, bits: bits)]
  }

  /// `[rows, columns]` as `[columns, rows]`; nothing of nothing.
  private static func transposed<Element>(_ elements: [Element], rows: Int, columns: Int) -> [Element] {
    guard !elements.isEmpty else { return [] }
    var result: [Element] = []
    result.reserveCapacity(elements.count)
    for column in 0..<columns { for row in 0..<rows { result.append(elements[row * columns + column]) } }
    return result
  }

  /// Windows have few elements along any axis: blocks lie along all of an output channel's, which a Reshape makes a window again.
  private mutating func convolution(_ node: inout Node) throws(ApusError) -> [Node] {
    let id = node.inputs[1]
    guard let tensor = draft.tensor(id) else { return [] }
    let weights = try draft.floats(id)
    let rows = tensor.dimensions[0]
    let columns = weights.count / max(rows, 1)
    let bits = bits(weights.count)
    let quantized = quantized(weights, rows: rows, columns: columns, bits: bits)
    note(node, weights, quantized)
    let name = draft.name(id)
    let inputs = constants(
      name, quantized.codes, [rows, columns], quantized.scales, quantized.zeros, [rows, quantized.blocks], bits: bits)
    let matrix = draft.addValue(name + ".matrix", .float32, Shape([rows, columns]))
    let value = draft.addValue(name + ".quantized", .float32, Shape(tensor.dimensions))
    let shape = draft.addConstant(name + ".shape", .int64, [tensor.dimensions.count], tensor.dimensions.map { Int64($0) })
    node.inputs[1] = value
    return [
      dequantize(name, inputs, matrix, axis: 1, bits: bits),
      Node(
        name: Name(name + ".reshape"), operatorName: "Reshape", sinceVersion: 21, inputs: [matrix, shape], outputs: [value]),
    ]
  }

  /// Rows of a table are picked as codes; only what was picked becomes floats. Tables have 8 bits: standard operators pick no
  /// halves of bytes.
  private mutating func table(_ node: Node) throws(ApusError) -> [Node] {
    let id = node.inputs[0]
    guard let tensor = draft.tensor(id), let output = node.outputs.first else { return [node] }
    let weights = try draft.floats(id)
    let (rows, columns) = (tensor.dimensions[0], tensor.dimensions[1])
    let quantized = quantized(weights, rows: rows, columns: columns, bits: 8)
    note(node, weights, quantized)
    let name = draft.name(id)
    let parts = constants(
      name, quantized.codes, [rows, columns], quantized.scales, quantized.zeros, [rows, quantized.blocks], bits: 8)
    var nodes: [Node] = []
    var picked: [ValueID] = []
    for part in parts {
      let type = draft.tensor(part)?.elementType ?? .int8
      let value = draft.addValue(draft.name(part) + ".rows", type, nil)
      var gather = node
      gather.name = Name(draft.name(part) + ".gather")
      gather.inputs[0] = part
      gather.outputs = [value]
      nodes.append(gather)
      picked.append(value)
    }
    return nodes + [dequantize(node.title, picked, output, axis: -1, bits: 8)]
  }
}
