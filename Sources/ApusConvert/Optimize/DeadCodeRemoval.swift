import ApusGraph

extension ModelOptimizer {
  /// Takes away nodes whose outputs nothing reads, with the graphs, values and tensors that only they used. Of the nodes that
  /// stay, optional outputs that nothing reads are left out.
  mutating func removeDeadCode() {
    var live = Liveness(definition, registry)
    live.visit(0)
    var graphIDs: [GraphID: GraphID] = [:]
    for id in definition.graphs.indices where live.graphs[id] { graphIDs[GraphID(id)] = GraphID(graphIDs.count) }
    var tensors = TensorCompaction()
    var graphs: [Graph] = []
    var valueIDs: [[ValueID]] = Array(repeating: [], count: definition.graphs.count)
    for id in definition.graphs.indices where live.graphs[id] {
      let old = definition.graphs[id]
      var values: [Value] = []
      var ids = [ValueID](repeating: .absent, count: old.values.count)
      for (index, var value) in old.values.enumerated() where live.values[id][index] {
        value.constant = value.constant.map { tensors.id($0) }
        ids[index] = ValueID(values.count)
        values.append(value)
      }
      valueIDs[id] = ids
      var graph = Graph(name: old.name, parent: old.parent.flatMap { graphIDs[$0] }, values: values)
      graph.inputs = old.inputs.map { ids[Int($0)] }
      graph.outputs = old.outputs.map { ids[Int($0)] }
      for capture in old.captures where live.values[id][Int(capture.inner)] {
        // A parent stands before its children: its values have their new ids.
        let outer = valueIDs[Int(old.parent ?? 0)][Int(capture.outer)]
        graph.captures.append(Capture(inner: ids[Int(capture.inner)], outer: outer))
      }
      for (position, var node) in old.nodes.enumerated() where live.nodes[id][position] {
        node.inputs = node.inputs.map { $0 < 0 ? $0 : ids[Int($0)] }
        node.outputs = node.outputs.map { $0 < 0 ? $0 : ids[Int($0)] }
        while node.outputs.last == .absent { node.outputs.removeLast() }
        for attribute in node.attributes.indices {
          node.attributes[attribute].value = renumbered(node.attributes[attribute].value, graphIDs, &tensors)
        }
        graph.nodes.append(node)
      }
      graphs.append(graph)
    }
    definition.graphs = graphs
    definition.tensors = tensors.kept.map { definition.tensors[Int($0)] }
    sources = tensors.kept.map { sources[Int($0)] }
  }

  private func renumbered(
    _ value: AttributeValue, _ graphs: [GraphID: GraphID], _ tensors: inout TensorCompaction
  ) -> AttributeValue {
    switch value {
    case .tensor(let id): .tensor(tensors.id(id))
    case .tensors(let ids): .tensors(ids.map { tensors.id($0) })
    case .graph(let id): .graph(graphs[id] ?? id)
    case .graphs(let ids): .graphs(ids.map { graphs[$0] ?? $0 })
    default: value
    }
  }

  /// New ids of tensors, in the order in which they are first asked for.
  private struct TensorCompaction {
    var kept: [TensorID] = []
    private var ids: [TensorID: TensorID] = [:]

    mutating func id(_ old: TensorID) -> TensorID {
      if let id = ids[old] { return id }
      let id = TensorID(kept.count)
      kept.append(old)
      ids[old] = id
      return id
    }
  }

  /// What the main graph's outputs depend on.
  private struct Liveness {
    private let definition: ModelDefinition
    private let registry: OperatorRegistry
    var graphs: [Bool]
    var values: [[Bool]]
    var nodes: [[Bool]]

    init(_ definition: ModelDefinition, _ registry: OperatorRegistry) {
      self.definition = definition
      self.registry = registry
      graphs = definition.graphs.map { _ in false }
      values = definition.graphs.map { $0.values.map { _ in false } }
      nodes = definition.graphs.map { $0.nodes.map { _ in false } }
    }

    /// Graphs are nested at most `ModelBuilder.maximumDepth` deep.
    mutating func visit(_ id: Int) {
      let graph = definition.graphs[id]
      graphs[id] = true
      for value in graph.inputs + graph.outputs { values[id][Int(value)] = true }
      for position in graph.nodes.indices.reversed() {
        let node = graph.nodes[position]
        guard node.outputs.contains(where: { $0 >= 0 && values[id][Int($0)] }) else { continue }
        nodes[id][position] = true
        for value in node.inputs + requiredOutputs(node) where value >= 0 { values[id][Int(value)] = true }
        for attribute in node.attributes {
          switch attribute.value {
          case .graph(let child): visit(Int(child), of: id)
          case .graphs(let children): for child in children { visit(Int(child), of: id) }
          default: break
          }
        }
      }
    }

    private func requiredOutputs(_ node: Node) -> [ValueID] {
      guard let schema = try? registry.schema(of: node), !schema.outputs.isEmpty else { return node.outputs }
      return node.outputs.enumerated().compactMap { position, id in
        schema.outputs[min(position, schema.outputs.count - 1)].arity == .optional ? nil : id
      }
    }

    private mutating func visit(_ child: Int, of parent: Int) {
      visit(child)
      for capture in definition.graphs[child].captures where values[child][Int(capture.inner)] {
        values[parent][Int(capture.outer)] = true
      }
    }
  }
}
