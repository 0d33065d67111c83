import ApusGraph

/// The checks of graphs: ids, names, order, and that each nested graph belongs to one node of its parent.
struct GraphChecks {
  let definition: ModelDefinition
  let tensors: TensorChecks

  func check() throws(ApusError) {
    var owned = [Bool](repeating: false, count: definition.graphs.count)
    for index in 0..<definition.graphs.count { try check(index, &owned) }
    for index in 1..<max(1, owned.count) where !owned[index] {
      throw ApusError(.invalidModel, "graph \(index) belongs to no node")
    }
  }

  private func refuse(_ graph: Int, _ message: String, node: Node? = nil, expected: String = "", actual: String = "") -> ApusError
  {
    ApusError(
      .invalidModel, "graph \(graph): " + message, operatorName: node?.label ?? "", expected: expected, actual: actual)
  }

  private func check(_ index: Int, _ owned: inout [Bool]) throws(ApusError) {
    let graph = definition.graphs[index]
    let count = graph.values.count
    try checkUnique(graph.values.map { $0.name }, what: "graph \(index): values")
    // Values that are there before the first node runs.
    var written = Marks(count: count)
    for (id, value) in graph.values.enumerated() {
      try check(value, id, index)
      if value.constant != nil { _ = written.insert(ValueID(id)) }
    }
    for (ids, what) in [(graph.inputs, "input"), (graph.captures.map { $0.inner }, "capture")] {
      for id in ids {
        try checkRange(id, count, index, what, node: nil)
        guard written.insert(id) else { throw refuse(index, "value \(id), an " + what + ", is written twice") }
      }
    }
    guard index != 0 || graph.captures.isEmpty else { throw refuse(index, "the main graph captures values") }
    for node in graph.nodes { try check(node, graph, index, &written, &owned) }
    for id in graph.outputs {
      try checkRange(id, count, index, "output", node: nil)
      guard written.contains(id) else { throw refuse(index, "output value \(id) is never written") }
    }
    guard index != 0 || areDistinct(graph.outputs) else { throw refuse(index, "an output stands twice") }
  }

  private func checkRange(_ id: ValueID, _ count: Int, _ graph: Int, _ what: String, node: Node?) throws(ApusError) {
    guard id >= 0, Int(id) < count else {
      throw refuse(graph, what + " names no value", node: node, expected: "0 to \(count - 1)", actual: "\(id)")
    }
  }

  private func check(_ value: Value, _ id: Int, _ graph: Int) throws(ApusError) {
    if let type = value.type { try tensors.check(type, label: .value(graph: graph, id: id)) }
    guard let constant = value.constant else { return }
    guard constant >= 0, Int(constant) < definition.tensors.count else {
      throw refuse(graph, "value \(id) names no tensor", actual: "\(constant)")
    }
    if let type = value.type {
      guard type.accepts(definition.tensors[Int(constant)]) else {
        throw refuse(graph, "value \(id) and its constant have another type or shape")
      }
    }
  }

  private func check(
    _ node: Node, _ graph: Graph, _ index: Int, _ written: inout Marks, _ owned: inout [Bool]
  ) throws(ApusError) {
    guard !node.operatorName.isEmpty, !node.domain.isEmpty, node.sinceVersion >= 1 else {
      throw refuse(index, "a node without domain, operator or version", node: node)
    }
    for id in node.inputs where id != .absent {
      try checkRange(id, graph.values.count, index, "an input", node: node)
      guard written.contains(id) else { throw refuse(index, "value \(id) is read before it is written", node: node) }
    }
    try checkUnique(node.attributes.map { $0.name }, what: "attributes")
    for attribute in node.attributes {
      guard !attribute.name.isEmpty else { throw refuse(index, "an attribute without a name", node: node) }
      try check(attribute, node, index, written, &owned)
    }
    for id in node.outputs where id != .absent {
      try checkRange(id, graph.values.count, index, "an output", node: node)
      guard written.insert(id) else { throw refuse(index, "value \(id) is written twice", node: node) }
    }
  }

  private func check(
    _ attribute: Attribute, _ node: Node, _ index: Int, _ written: Marks, _ owned: inout [Bool]
  ) throws(ApusError) {
    switch attribute.value {
    case .tensor(let id): try checkTensor(id, node, index)
    case .tensors(let ids): for id in ids { try checkTensor(id, node, index) }
    case .graph(let id): try checkGraph(id, node, index, written, &owned)
    case .graphs(let ids): for id in ids { try checkGraph(id, node, index, written, &owned) }
    case .type(let type): try tensors.check(type, label: .attribute(attribute.name))
    case .int, .float, .string, .ints, .floats, .strings: break
    }
  }

  private func checkTensor(_ id: TensorID, _ node: Node, _ index: Int) throws(ApusError) {
    guard id >= 0, Int(id) < definition.tensors.count else {
      throw refuse(index, "an attribute names no tensor", node: node, actual: "\(id)")
    }
  }

  private func checkGraph(
    _ id: GraphID, _ node: Node, _ index: Int, _ written: Marks, _ owned: inout [Bool]
  ) throws(ApusError) {
    guard id >= 0, Int(id) < definition.graphs.count, definition.graphs[Int(id)].parent == GraphID(index) else {
      throw refuse(index, "an attribute names no graph nested in this one", node: node, actual: "\(id)")
    }
    guard !owned[Int(id)] else { throw refuse(index, "graph \(id) belongs to two nodes", node: node) }
    owned[Int(id)] = true
    for capture in definition.graphs[Int(id)].captures where !written.contains(capture.outer) {
      throw refuse(
        index, "graph \(id) captures a value that is not written before its node", node: node, actual: "\(capture.outer)")
    }
  }
}
