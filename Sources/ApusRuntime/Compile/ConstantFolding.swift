import ApusGraph

extension Compiler {
  /// Results over this size are computed in each run rather than kept for the model's life.
  static let foldedBytes = 1 << 30

  /// Computes nodes whose operands are all constants, but for those that draw random numbers.
  mutating func foldConstants(_ evaluator: NodeEvaluator) throws(ApusError) {
    var removed: [Int] = []
    for (position, node) in program.nodes.enumerated() {
      guard !node.node.inputs.isEmpty, !drawsNumbers(node), !readsTextOrNothing(node) else { continue }
      guard !node.node.inputs.contains(where: { $0 >= 0 && constant($0) == nil }) else { continue }
      guard
        let results = try evaluator.evaluate(
          node, program.graph.values, known: { _ in nil }, maximumBytes: Compiler.foldedBytes)
      else { continue }
      for (index, id) in node.node.outputs.enumerated() where id >= 0 {
        guard let result = results[index] else { continue }
        program.graph.values[Int(id)].type = .tensor(result.type)
        program.graph.values[Int(id)].constant = try constants.add(result, name: program.graph.values[Int(id)].name)
      }
      removed.append(position)
    }
    remove(removed)
  }

  private func drawsNumbers(_ node: ProgramNode) -> Bool {
    for name: StaticString in ["Bernoulli", "Dropout", "Multinomial", "RandomNormalLike", "RandomUniformLike"]
    where isStandard(node, name) {
      return true
    }
    return false
  }

  private func readsTextOrNothing(_ node: ProgramNode) -> Bool {
    var isNothing = true
    for id in node.node.inputs where id >= 0 {
      isNothing = false
      if let tensor = constant(id), constants.tensors[Int(tensor)].elementType == .string { return true }
    }
    return isNothing
  }

  /// Marks the nodes whose results, directly or by way of others, are operands that steer.
  mutating func markShapeComputations() throws(ApusError) {
    var wanted = Array(repeating: false, count: program.graph.values.count)
    program.feedsShapes = Array(repeating: false, count: program.nodes.count)
    for position in program.nodes.indices.reversed() {
      let node = program.nodes[position].node
      let schema = try registry.schema(of: node)
      var feeds = false
      for id in node.outputs where id >= 0 && wanted[Int(id)] { feeds = true }
      program.feedsShapes[position] = feeds
      for (index, id) in node.inputs.enumerated() where id >= 0 {
        if feeds || (index < schema.maximumInputs && schema.parameter(index, of: schema.inputs).steers) {
          wanted[Int(id)] = true
        }
      }
    }
  }
}
