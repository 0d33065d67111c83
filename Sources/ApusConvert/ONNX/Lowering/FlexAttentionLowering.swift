import ApusGraph

// FlexAttention of the preview domain: attention whose scores and probabilities pass through graphs of the caller's.

extension Lowering {
  /// `prob_mod(softmax(score_mod(scale Q K^T))) V`, for Q `[N, Hq, S, D]`, K `[N, Hkv, T, D]` and V `[N, Hkv, T, Dv]`; query
  /// head h reads head `h / (Hq / Hkv)` of K and V. Scores and probabilities are of the type `softmax_precision`.
  static func flexAttention(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(3)
    let (q, type) = (node.input(0), node.tensorType(node.input(0)))
    guard let type, let shape = type.shape, shape.rank == 4, let head = shape[3].value else {
      throw node.unsupported("the operator can be rewritten only where the rank and head size of Q are known")
    }
    let precision = try node.takeInt("softmax_precision")
    let scale = try node.takeFloat("scale") ?? Float(1 / Double(max(head, 1)).squareRoot())
    let work = precision ?? Int64(type.elementType == .float64 ? ElementType.float64.rawValue : ElementType.float32.rawValue)
    let modifiers = (score: try node.takeGraph("score_mod"), probability: try node.takeGraph("prob_mod"))
    let k = try sharedHeads(node, node.input(1))
    let v = try sharedHeads(node, node.input(2))
    // Half of the scale on either side, as in the operator's definition: half precision holds the product then.
    let root = try node.scalar(scale.squareRoot(), like: q)
    let keys = try node.emit("Transpose", [try node.emit("Mul", [k, root])], [permutation([0, 1, 3, 2])])
    var scores = try node.emit("MatMul", [try node.emit("Mul", [q, root]), keys])
    let toWork = [Attribute("to", .int(work))]
    scores = try modified(node, try node.emit("Cast", [scores], toWork), modifiers.score)
    let softmax = try node.emit("Softmax", [scores], [Attribute("axis", .int(-1))])
    let probabilities = try modified(node, softmax, modifiers.probability)
    let result = try node.emit("MatMul", [probabilities, try node.emit("Cast", [v], toWork)])
    node.replace("Cast", [result], [Attribute("to", .int(Int64(type.elementType.rawValue)))])
  }

  /// K or V with as many heads as Q.
  private static func sharedHeads(_ node: Adaptation, _ value: ValueID) throws(ApusError) -> ValueID {
    guard let queries = node.shape(node.input(0))?[1].value, let shape = node.shape(value), shape.rank == 4,
      let heads = shape[1].value
    else { throw node.unsupported("the operator can be rewritten only where its numbers of heads are known") }
    if heads == queries { return value }
    guard heads > 0, queries % heads == 0 else {
      throw node.unsupported(
        "the heads of Q do not share those of K and V evenly", expected: "a multiple of \(heads)", actual: "\(queries)")
    }
    let order = (0..<queries).map { Int64($0 / (queries / heads)) }
    return try node.emit("Gather", [value, try node.constant(order)], [Attribute("axis", .int(1))])
  }

  /// What a graph of one input makes of a value; the value itself where there is no graph.
  private static func modified(_ node: Adaptation, _ value: ValueID, _ graph: GraphID?) throws(ApusError) -> ValueID {
    guard let graph else { return value }
    let always = try node.scalar(true)
    return try node.emit(
      "If", [always],
      [
        Attribute("then_branch", .graph(try node.captureInput(of: graph, value))),
        Attribute("else_branch", .graph(try node.passingGraph(value))),
      ])
  }
}

extension Adaptation {
  fileprivate func takeGraph(_ name: Name) throws(ApusError) -> GraphID? {
    switch take(name) {
    case .graph(let graph): return graph
    case nil: return nil
    case let other?:
      throw ApusError(
        .invalidAttribute, "attribute '" + name.string + "' has the wrong kind", operatorName: node.label, expected: "graph",
        actual: other.kind.text)
    }
  }

  /// Makes the one input of a nested graph a value of this graph that it captures.
  fileprivate func captureInput(of nested: GraphID, _ value: ValueID) throws(ApusError) -> GraphID {
    let inputs = builder.definition.graphs[Int(nested)].inputs
    guard inputs.count == 1, builder.definition.graphs[Int(nested)].outputs.count == 1 else {
      throw ApusError(
        .invalidModel, "a modifier is no graph of one input and one output", operatorName: node.label,
        expected: "1 input", actual: "\(inputs.count)")
    }
    builder.captureInputs(of: nested, [value])
    return nested
  }

  /// A nested graph whose output is a value of this one.
  fileprivate func passingGraph(_ value: ValueID) throws(ApusError) -> GraphID {
    let nested = try builder.addGraph(name: "unchanged", parent: graph)
    let source = builder.reference(ValueReference(graph: graph, id: value), from: nested)
    let result = builder.addValue(.empty, nil, in: nested)
    try builder.addNode(
      Node(operatorName: "Identity", sinceVersion: 21, inputs: [source.id], outputs: [result.id]), to: nested)
    builder.addOutput(result)
    return nested
  }
}
