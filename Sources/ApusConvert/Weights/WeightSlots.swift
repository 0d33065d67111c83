import ApusGraph

/// Finds the constants of a model that are nothing but weights.
struct WeightSlots {
  private let definition: ModelDefinition
  /// By graph and value: whether something reads it as another thing than weights.
  private var isOther: [[Bool]]

  init(_ definition: ModelDefinition) {
    self.definition = definition
    isOther = definition.graphs.map { $0.values.map { _ in false } }
    for graph in definition.graphs {
      for capture in graph.captures { isOther[Int(graph.parent ?? 0)][Int(capture.outer)] = true }
    }
    for signature in definition.signatures {
      for state in signature.states { isOther[0][Int(state.output)] = true }
    }
    // Last: what is moved is weights only if its result is.
    for index in definition.graphs.indices { visit(index) }
  }

  private mutating func visit(_ index: Int) {
    let graph = definition.graphs[index]
    for id in graph.outputs { isOther[index][Int(id)] = true }
    // Readers come after what they read: backwards, a moved tensor is known to be weights or not.
    for node in graph.nodes.reversed() {
      for (position, id) in node.inputs.enumerated() where id >= 0 && !readsWeights(node, position, index) {
        isOther[index][Int(id)] = true
      }
    }
  }

  private func readsWeights(_ node: Node, _ position: Int, _ graph: Int) -> Bool {
    guard node.domain == .onnx else { return false }
    switch node.operatorName {
    case "MatMul", "Gemm": return position < 2
    case "Conv", "ConvTranspose", "DeformConv": return position == 1
    case "LSTM", "GRU", "RNN": return position == 1 || position == 2
    case "Gather": return position == 0
    case "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Slice":
      return position == 0 && node.outputs.allSatisfy { $0 >= 0 && !isOther[graph][Int($0)] }
    default: return false
    }
  }

  /// The constants that only products, convolutions, recurrent layers and tables read, directly or turned and cut.
  func tensors() -> [TensorID] {
    var readers = definition.tensors.map { _ in 0 }
    var others = definition.tensors.map { _ in false }
    for (graph, slots) in zip(definition.graphs, isOther) {
      for (value, isOther) in zip(graph.values, slots) {
        guard let id = value.constant else { continue }
        readers[Int(id)] += 1
        if isOther { others[Int(id)] = true }
      }
      for node in graph.nodes {
        for attribute in node.attributes {
          switch attribute.value {
          case .tensor(let id): others[Int(id)] = true
          case .tensors(let ids): for id in ids { others[Int(id)] = true }
          default: break
          }
        }
      }
    }
    for state in definition.signatures.flatMap(\.states) { if let id = state.initial { others[Int(id)] = true } }
    return definition.tensors.indices.filter { readers[$0] > 0 && !others[$0] }.map { TensorID($0) }
  }
}
