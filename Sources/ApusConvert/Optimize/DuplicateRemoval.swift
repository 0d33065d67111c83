import ApusGraph

extension ModelOptimizer {
  private struct TensorKey: Hashable {
    var type: ElementType
    var dimensions: [Int]
    var bytes: [UInt8]
  }

  /// Lets values of equal small constants have one tensor.
  mutating func mergeEqualTensors() {
    var first: [TensorKey: TensorID] = [:]
    var merged: [TensorID: TensorID] = [:]
    for (id, tensor) in definition.tensors.enumerated() {
      guard case .inline(let bytes) = tensor.storage, tensor.quantization == nil else { continue }
      let key = TensorKey(type: tensor.elementType, dimensions: tensor.dimensions, bytes: bytes)
      if let known = first[key] { merged[TensorID(id)] = known } else { first[key] = TensorID(id) }
    }
    guard !merged.isEmpty else { return }
    for graph in definition.graphs.indices {
      for value in definition.graphs[graph].values.indices {
        guard let tensor = definition.graphs[graph].values[value].constant else { continue }
        definition.graphs[graph].values[value].constant = merged[tensor] ?? tensor
      }
    }
  }

  private struct NodeKey: Hashable {
    var domain: Name
    var operatorName: Name
    var version: Int32
    var inputs: [ValueID]
    var outputs: [Bool]
  }

  /// Operators whose results differ from one node to the next.
  private static let random: Set<Name> = [
    "Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
  ]

  /// Lets readers of a node that does what an earlier one does read that one's outputs.
  mutating func mergeEqualNodes(in index: Int) {
    let outputs = Set(definition.graphs[index].outputs)
    var replacement: [ValueID: ValueID] = [:]
    var constants: [TensorID: ValueID] = [:]
    for (id, value) in definition.graphs[index].values.enumerated() where !outputs.contains(ValueID(id)) {
      guard let tensor = value.constant else { continue }
      if let known = constants[tensor] { replacement[ValueID(id)] = known } else { constants[tensor] = ValueID(id) }
    }
    var nodes: [Node] = []
    var first: [NodeKey: [Int]] = [:]
    for var node in definition.graphs[index].nodes {
      node.inputs = node.inputs.map { replacement[$0] ?? $0 }
      let key = NodeKey(
        domain: node.domain, operatorName: node.operatorName, version: node.sinceVersion, inputs: node.inputs,
        outputs: node.outputs.map { $0 >= 0 })
      let isRepeatable =
        !ModelOptimizer.random.contains(node.operatorName) && (node.domain == .onnx || node.domain == "com.microsoft")
        && !node.attributes.contains { $0.value.kind == .graph || $0.value.kind == .graphs }
      if isRepeatable, !node.outputs.contains(where: { outputs.contains($0) }),
        let twin = first[key]?.first(where: { nodes[$0].attributes == node.attributes })
      {
        for (output, earlier) in zip(node.outputs, nodes[twin].outputs) where output >= 0 { replacement[output] = earlier }
        continue
      }
      if isRepeatable { first[key, default: []].append(nodes.count) }
      nodes.append(node)
    }
    definition.graphs[index].nodes = nodes
    substitute(replacement, in: index)
  }
}
