import ApusGraph

/// Puts nodes of an ONNX file into an order in which every value is written before it is read.
struct NodeOrder {
  /// What each node reads that another one of the list writes, by position.
  private var dependencies: [[Int]] = []
  private let nodes: [ONNXNodeProto]

  /// The positions of `nodes` in such an order: the file's own where that is one.
  /// - Throws: `invalidModel`, naming the nodes of a cycle or the nodes that write one value.
  static func sorted(_ nodes: [ONNXNodeProto]) throws(ApusError) -> [Int] {
    try NodeOrder(nodes).order()
  }

  private init(_ nodes: [ONNXNodeProto]) throws(ApusError) {
    self.nodes = nodes
    var writers: [Name: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for output in node.output where !output.isEmpty {
        if let first = writers.updateValue(index, forKey: Name(output)) {
          throw ApusError(
            .invalidModel,
            "a value is written twice: by " + NodeOrder.label(nodes[first], first) + " and by "
              + NodeOrder.label(node, index), tensorName: output)
        }
      }
    }
    dependencies.reserveCapacity(nodes.count)
    for node in nodes {
      var read: Set<Int> = []
      NodeOrder.forEachRead(node, hidden: []) { name in
        if let writer = writers[name] { read.insert(writer) }
      }
      dependencies.append(read.sorted())
    }
  }

  private func order() throws(ApusError) -> [Int] {
    if dependencies.indices.allSatisfy({ index in dependencies[index].allSatisfy { $0 < index } }) {
      return Array(nodes.indices)
    }
    enum Mark { case new, open, done }
    var marks = Array(repeating: Mark.new, count: nodes.count)
    var result: [Int] = []
    result.reserveCapacity(nodes.count)
    for start in nodes.indices where marks[start] == .new {
      // Depth first, with a stack of its own: chains are as long as the file.
      var path: [(node: Int, next: Int)] = [(start, 0)]
      marks[start] = .open
      while let (node, next) = path.last {
        guard next < dependencies[node].count else {
          marks[node] = .done
          result.append(node)
          path.removeLast()
          continue
        }
        path[path.count - 1].next += 1
        let dependency = dependencies[node][next]
        switch marks[dependency] {
        case .new:
          marks[dependency] = .open
          path.append((dependency, 0))
        case .open: throw cycle(path.map(\.node), from: dependency)
        case .done: break
        }
      }
    }
    return result
  }

  private func cycle(_ path: [Int], from start: Int) -> ApusError {
    let members = path.drop { $0 != start }
    var names = members.prefix(10).map { NodeOrder.label(nodes[$0], $0) }.joined(separator: ", ")
    if members.count > 10 { names += " and \(members.count - 10) more" }
    return ApusError(
      .invalidModel, "nodes wait for each other's outputs in a cycle: " + names,
      operatorName: NodeOrder.label(nodes[start], start))
  }

  private static func label(_ node: ONNXNodeProto, _ index: Int) -> String {
    node.name.isEmpty ? "node \(index) (\(node.opType))" : "'\(node.name)' (\(node.opType))"
  }

  /// The names that a node reads from around it: its inputs, and what the graphs in its attributes do not write themselves.
  /// Graphs are nested no deeper than `ONNXFile.messageDepth` lets them.
  private static func forEachRead(_ node: ONNXNodeProto, hidden: [Set<Name>], _ body: (Name) -> Void) {
    func visit(_ name: String) {
      guard !name.isEmpty else { return }
      let name = Name(name)
      if !hidden.contains(where: { $0.contains(name) }) { body(name) }
    }
    for input in node.input { visit(input) }
    for attribute in node.attribute {
      for graph in attribute.allGraphs {
        var own: Set<Name> = []
        for input in graph.input { own.insert(Name(input.name)) }
        for initializer in graph.initializer { own.insert(Name(initializer.name)) }
        for initializer in graph.sparseInitializer { own.insert(Name(initializer.values.name)) }
        for node in graph.node {
          for output in node.output { own.insert(Name(output)) }
        }
        for node in graph.node { forEachRead(node, hidden: hidden + [own], body) }
        for output in graph.output {
          let name = Name(output.name)
          if !own.contains(name), !hidden.contains(where: { $0.contains(name) }) { body(name) }
        }
      }
    }
  }
}

extension ONNXAttributeProto {
  var allGraphs: [ONNXGraphProto] { hasG ? [g] + graphs : graphs }
}
