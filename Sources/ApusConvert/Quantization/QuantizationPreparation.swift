import ApusGraph

/// Rewrites a float model to one of the same values whose layers are easier to quantize.
struct QuantizationPreparation {
  private(set) var draft: ModelDraft
  /// What was done, for people.
  private(set) var notes: [String] = []

  init(_ draft: ModelDraft) { self.draft = draft }

  /// - Parameter folds: false where nothing but names is to change.
  static func prepare(_ draft: ModelDraft, folds: Bool) throws(ApusError) -> (draft: ModelDraft, notes: [String]) {
    var preparation = QuantizationPreparation(draft)
    if folds {
      try preparation.foldBatchNormalizations()
      try preparation.normalizeGemms()
      preparation.joinSwishes()
    }
    preparation.nameNodes()
    preparation.draft.nameValues()
    return (preparation.draft, preparation.notes)
  }

  /// Reports and exclusions name nodes; those without a name get that of what they write.
  private mutating func nameNodes() {
    for index in draft.graph.nodes.indices where draft.graph.nodes[index].name.isEmpty {
      guard let output = draft.graph.nodes[index].outputs.first(where: { $0 >= 0 }) else { continue }
      draft.graph.nodes[index].name = draft.graph.values[Int(output)].name
    }
  }

  // MARK: Batch normalization

  /// `y = scale (conv(x) - mean) / sqrt(variance + epsilon) + shift` becomes a convolution with other weights and bias.
  private mutating func foldBatchNormalizations() throws(ApusError) {
    let readers = draft.readers
    let writers = draft.writers
    var removed: Set<Int> = []
    for (position, node) in draft.graph.nodes.enumerated() {
      guard node.isStandard("BatchNormalization"), node.inputs.count >= 5, node.int("training_mode") == 0,
        node.outputs.dropFirst().allSatisfy({ $0 < 0 }), let writer = writers[node.inputs[0]],
        readers[Int(node.inputs[0])] == 1, node.inputs[1..<5].allSatisfy({ draft.isFloatConstant($0) })
      else { continue }
      var conv = draft.graph.nodes[writer]
      guard conv.isStandard("Conv"), conv.inputs.count >= 2, draft.isFloatConstant(conv.inputs[1]),
        conv.inputs.count < 3 || conv.inputs[2] < 0 || draft.isFloatConstant(conv.inputs[2]),
        let tensor = draft.tensor(conv.inputs[1])
      else { continue }
      let (scale, shift) = (try draft.floats(node.inputs[1]), try draft.floats(node.inputs[2]))
      let (mean, variance) = (try draft.floats(node.inputs[3]), try draft.floats(node.inputs[4]))
      let epsilon = Double(node.float("epsilon", default: 1e-5))
      let channels = tensor.dimensions[0]
      guard [scale, shift, mean, variance].allSatisfy({ $0.count == channels }) else { continue }
      var bias = [Double](repeating: 0, count: channels)
      if conv.inputs.count > 2, conv.inputs[2] >= 0 { bias = try draft.floats(conv.inputs[2]).map { Double($0) } }
      let factors = (0..<channels).map { Double(scale[$0]) / (Double(variance[$0]) + epsilon).squareRoot() }
      let weights = try draft.floats(conv.inputs[1])
      let inner = weights.count / max(channels, 1)
      let scaled = weights.enumerated().map { Float(Double($0.element) * factors[$0.offset / inner]) }
      let shifted = (0..<channels).map { Float((bias[$0] - Double(mean[$0])) * factors[$0] + Double(shift[$0])) }
      guard scaled.allSatisfy(\.isFinite), shifted.allSatisfy(\.isFinite) else { continue }
      let name = draft.name(conv.inputs[1])
      conv.inputs = [
        conv.inputs[0], draft.addConstant(name + ".folded", .float32, tensor.dimensions, scaled),
        draft.addConstant(name + ".bias", .float32, [channels], shifted),
      ]
      conv.outputs = [node.outputs[0]]
      draft.graph.nodes[writer] = conv
      removed.insert(position)
    }
    guard !removed.isEmpty else { return }
    draft.graph.nodes = draft.graph.nodes.enumerated().filter { !removed.contains($0.offset) }.map(\.element)
    notes.append("\(removed.count) batch normalizations folded into convolutions")
  }

  // MARK: Gemm

  /// `alpha A B + beta C` with constant B and C becomes one with alpha and beta of 1.
  private mutating func normalizeGemms() throws(ApusError) {
    for index in draft.graph.nodes.indices {
      var node = draft.graph.nodes[index]
      guard node.isStandard("Gemm"), node.inputs.count >= 2, draft.isFloatConstant(node.inputs[1]) else { continue }
      let (alpha, beta) = (node.float("alpha", default: 1), node.float("beta", default: 1))
      guard alpha != 1 || beta != 1 else { continue }
      let hasBias = node.inputs.count > 2 && node.inputs[2] >= 0
      guard !hasBias || draft.isFloatConstant(node.inputs[2]) else { continue }
      node.inputs[1] = try scaled(node.inputs[1], by: alpha)
      if hasBias { node.inputs[2] = try scaled(node.inputs[2], by: beta) }
      node.attributes.removeAll { $0.name == "alpha" || $0.name == "beta" }
      draft.graph.nodes[index] = node
    }
  }

  private mutating func scaled(_ id: ValueID, by factor: Float) throws(ApusError) -> ValueID {
    guard factor != 1, let tensor = draft.tensor(id) else { return id }
    let values = try draft.floats(id).map { $0 * factor }
    return draft.addConstant(draft.name(id) + ".scaled", .float32, tensor.dimensions, values)
  }

  // MARK: Swish

  /// `x sigmoid(x)` and `x hardSigmoid(x)` become one operator: one table of 256 codes, where they were two and a product.
  private mutating func joinSwishes() {
    let readers = draft.readers
    let writers = draft.writers
    var removed: Set<Int> = []
    for (position, node) in draft.graph.nodes.enumerated() where node.isStandard("Mul") && node.inputs.count == 2 {
      for (x, gate) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
        guard x >= 0, gate >= 0, let writer = writers[gate], readers[Int(gate)] == 1 else { continue }
        let sigmoid = draft.graph.nodes[writer]
        guard sigmoid.inputs.first == x else { continue }
        var joined = node
        joined.inputs = [x]
        if sigmoid.isStandard("Sigmoid") {
          (joined.operatorName, joined.sinceVersion) = ("Swish", 24)
        } else if sigmoid.isStandard("HardSigmoid"), abs(sigmoid.float("alpha", default: 0.2) - 1 / 6) < 1e-6,
          sigmoid.float("beta", default: 0.5) == 0.5
        {
          (joined.operatorName, joined.sinceVersion) = ("HardSwish", 22)
        } else {
          continue
        }
        draft.graph.nodes[position] = joined
        removed.insert(writer)
        break
      }
    }
    guard !removed.isEmpty else { return }
    draft.graph.nodes = draft.graph.nodes.enumerated().filter { !removed.contains($0.offset) }.map(\.element)
    notes.append("\(removed.count) products of a value and its sigmoid joined to one operator")
  }
}
