import ApusGraph

/// Passes over a model as an importer makes it: no signatures, quantization or test vectors yet.
struct ModelOptimizer {
  var definition: ModelDefinition
  /// By tensor id: where the bytes of tensors are that the definition does not hold itself.
  var sources: [TensorContents?]
  let registry: OperatorRegistry

  init(_ definition: ModelDefinition, sources: [TensorContents?], registry: OperatorRegistry) {
    self.definition = definition
    self.sources = sources
    self.registry = registry
  }

  /// - Parameter inference: what is known of the main graph's values.
  mutating func run(_ optimization: Optimization, inference: TypeInference) {
    guard optimization != .none else { return }
    if optimization == .all {
      fixKnownContents(inference)
      mergeEqualTensors()
    }
    for graph in definition.graphs.indices {
      removeCopies(in: graph)
      if optimization == .all { mergeEqualNodes(in: graph) }
    }
    removeDeadCode()
  }

  /// Makes constants of values whose contents follow from shapes alone: what a model computes of its shapes for a Reshape.
  private mutating func fixKnownContents(_ inference: TypeInference) {
    var graph = definition.graphs[0]
    var fixed: Set<ValueID> = []
    for node in graph.nodes {
      guard node.outputs.count == 1, let id = node.outputs.first, id >= 0, let bytes = inference.contents[Int(id)],
        let type = inference.type(id), let extents = type.shape?.known,
        let count = elementCount(extents), type.elementType.byteCount(of: count) == bytes.count
      else { continue }
      definition.tensors.append(ConstantTensor(elementType: type.elementType, dimensions: extents, storage: .inline(bytes)))
      sources.append(nil)
      graph.values[Int(id)].constant = TensorID(definition.tensors.count - 1)
      graph.values[Int(id)].type = .tensor(TensorType(type.elementType, Shape(extents)))
      fixed.insert(id)
    }
    graph.nodes.removeAll { node in node.outputs.count == 1 && fixed.contains(node.outputs[0]) }
    definition.graphs[0] = graph
  }

  // MARK: Reading another value instead

  /// Lets every reader of a value in `graph` read another one.
  mutating func substitute(_ replacement: [ValueID: ValueID], in graph: Int) {
    guard !replacement.isEmpty else { return }
    func resolved(_ id: ValueID) -> ValueID {
      var id = id
      // Replacements point to values written earlier: there is no cycle.
      while let next = replacement[id] { id = next }
      return id
    }
    for node in definition.graphs[graph].nodes.indices {
      definition.graphs[graph].nodes[node].inputs = definition.graphs[graph].nodes[node].inputs.map(resolved)
    }
    for child in definition.graphs.indices where definition.graphs[child].parent == GraphID(graph) {
      for capture in definition.graphs[child].captures.indices {
        definition.graphs[child].captures[capture].outer = resolved(definition.graphs[child].captures[capture].outer)
      }
    }
  }

  /// Lets readers of copies read the original: outputs of Identity, and of a Dropout that drops nothing.
  private mutating func removeCopies(in index: Int) {
    let graph = definition.graphs[index]
    let outputs = Set(graph.outputs)
    var replacement: [ValueID: ValueID] = [:]
    var removed: Set<Int> = []
    for (position, node) in graph.nodes.enumerated() where node.domain == .onnx {
      let drops = node.inputs.count > 2 && node.inputs[2] >= 0 && !isFalse(graph.values[Int(node.inputs[2])])
      guard node.operatorName == "Identity" || node.operatorName == "Dropout" && !drops, node.outputs.count == 1,
        let output = node.outputs.first, output >= 0, !outputs.contains(output), let input = node.inputs.first, input >= 0
      else { continue }
      replacement[output] = input
      removed.insert(position)
    }
    substitute(replacement, in: index)
    definition.graphs[index].nodes = definition.graphs[index].nodes.enumerated().filter { !removed.contains($0.offset) }.map(
      \.element)
  }

  private func isFalse(_ value: Value) -> Bool {
    guard let constant = value.constant, case .inline(let bytes) = definition.tensors[Int(constant)].storage else { return false }
    return bytes.allSatisfy { $0 == 0 }
  }
}
