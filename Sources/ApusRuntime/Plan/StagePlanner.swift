import ApusFormat
import ApusGraph

/// Finds out how many nodes of a program, from a given one on, can be planned at once: all whose shapes, and operands that
/// steer, follow from what is known. Most programs are one stage; a new one begins where shapes depend on data that the stage
/// before computes, and behind each operator that runs on the host.
struct StagePlanner {
  let program: Program
  let evaluator: NodeEvaluator

  /// What was found; an empty range where the first node waits for data.
  struct Result {
    var range: Range<Int>
    var inference: TypeInference
    /// Operands of earlier stages whose elements were read.
    var steering: [ValueID] = []
  }

  /// - Parameters:
  ///   - inference: the types of all values that exist before the stage.
  ///   - read: the bytes of a small value that an earlier stage made; nil where the value is not there yet.
  func plan(
    from start: Int, _ inference: TypeInference, read: (ValueID) -> [UInt8]?
  ) throws(ApusError) -> Result {
    var result = Result(range: start..<start, inference: inference)
    for position in start..<program.nodes.count {
      let node = program.nodes[position]
      let known = result.inference.valueTypes
      guard evaluator.bindings.plans(node, program.graph.values, type: { known[Int($0)] }) else { break }
      let schema = try evaluator.registry.schema(of: node.original ?? node.node)
      do throws(ApusError) {
        guard try settle(node, schema, position, &result, read) else { break }
      } catch {
        throw error.inOperator(node.node.label)
      }
      result.range = start..<position + 1
    }
    return result
  }

  /// Infers the types of a node's results; false where these wait for data.
  private func settle(
    _ node: ProgramNode, _ schema: OperatorSchema, _ position: Int, _ result: inout Result, _ read: (ValueID) -> [UInt8]?
  ) throws(ApusError) -> Bool {
    let definition = node.original ?? node.node
    for (index, id) in node.node.inputs.enumerated() where id >= 0 {
      let steers = index < schema.maximumInputs && schema.parameter(index, of: schema.inputs).steers
      guard steers || program.feedsShapes[position] else { continue }
      let found = try know(id, &result, read)
      if steers, !found { return false }
    }
    var named = definition
    named.outputs = node.node.outputs
    try infer(node, named, schema, &result.inference)
    if !hasKnownShapes(node, result.inference) {
      // A shape rule that wants elements of an operand that is not marked as steering.
      var isComplete = true
      for id in node.node.inputs where id >= 0 {
        if try !know(id, &result, read) { isComplete = false }
      }
      try infer(node, named, schema, &result.inference)
      guard hasKnownShapes(node, result.inference) else {
        if !isComplete { return false }
        throw ApusError(.unsupported, "the shape of a result depends on data that no rule knows")
      }
    }
    try checkLimits(node, result.inference)
    if program.feedsShapes[position] { try evaluate(node, &result) }
    return true
  }

  private func hasKnownShapes(_ node: ProgramNode, _ inference: TypeInference) -> Bool {
    for id in node.node.outputs where id >= 0 && inference.type(id)?.shape?.known == nil { return false }
    return true
  }

  /// Sees to it that the elements of a small operand are known; false where the value is not there yet.
  private func know(_ id: ValueID, _ result: inout Result, _ read: (ValueID) -> [UInt8]?) throws(ApusError) -> Bool {
    if result.inference.contents[Int(id)] != nil { return true }
    guard let type = result.inference.type(id), let extents = type.shape?.known, let count = elementCount(extents),
      count <= TypeInference.steeringElements, type.elementType.byteWidth != nil
    else { return false }
    if let constant = program.graph.values[Int(id)].constant {
      result.inference.setContents(try evaluator.constants.contents(constant), of: id)
      return true
    }
    guard let bytes = read(id) else { return false }
    result.inference.setContents(bytes, of: id)
    result.steering.append(id)
    return true
  }

  /// Computes a node's small results now if all its operands are known.
  private func evaluate(_ node: ProgramNode, _ result: inout Result) throws(ApusError) {
    for id in node.node.outputs where id >= 0 {
      if result.inference.contents[Int(id)] != nil { return }
      guard let extents = result.inference.type(id)?.shape?.known, let count = elementCount(extents),
        count <= TypeInference.steeringElements
      else { return }
    }
    for id in node.node.inputs where id >= 0 {
      guard result.inference.contents[Int(id)] != nil || program.graph.values[Int(id)].constant != nil else { return }
    }
    let inference = result.inference
    let results = try evaluator.evaluate(
      node, program.graph.values, known: { inference.operand($0) },
      maximumBytes: 16 * TypeInference.steeringElements)
    guard let results else { return }
    for (index, id) in node.node.outputs.enumerated() where id >= 0 {
      if let tensor = results[index] { result.inference.setContents(Array(tensor.bytes), of: id) }
    }
  }

  private func checkLimits(_ node: ProgramNode, _ inference: TypeInference) throws(ApusError) {
    let limits = evaluator.limits
    for id in node.node.outputs where id >= 0 {
      guard let extents = inference.type(id)?.shape?.known else { continue }
      guard let count = elementCount(extents), count <= limits.elements, extents.count <= limits.rank else {
        throw ApusError(
          .limitExceeded, "tensor over the limit", tensorName: program.graph.values[Int(id)].name.string,
          expected: "at most \(limits.elements) elements and rank \(limits.rank)",
          actual: Shape(extents).text(symbols: []))
      }
    }
  }
}

extension Program {
  /// The nodes of a range as a program of its own, whose inputs and outputs are the values that cross its border.
  func stage(_ range: Range<Int>, isConstant: (ValueID) -> Bool) -> Program {
    var made = Array(repeating: false, count: graph.values.count)
    var entered = made
    var inputs: [ValueID] = []
    for node in nodes[range] {
      for id in node.reads where !made[Int(id)] && !entered[Int(id)] && !isConstant(id) {
        entered[Int(id)] = true
        inputs.append(id)
      }
      for id in node.node.outputs where id >= 0 { made[Int(id)] = true }
    }
    var outputs: [ValueID] = []
    func leave(_ id: ValueID) {
      guard made[Int(id)] else { return }
      made[Int(id)] = false
      outputs.append(id)
    }
    for node in nodes[range.upperBound...] {
      for id in node.reads { leave(id) }
    }
    for id in self.outputs { leave(id) }
    var stage = self
    stage.graph.inputs = inputs
    stage.graph.outputs = outputs
    stage.graph.nodes = []
    stage.nodes = Array(nodes[range])
    stage.states = []
    return stage
  }
}
