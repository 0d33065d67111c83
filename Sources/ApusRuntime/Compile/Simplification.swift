import ApusGraph

extension Compiler {
  /// Turns the outputs of Constant nodes into constants.
  func resolveConstants() throws(ApusError) {
    var removed: [Int] = []
    for (position, node) in program.nodes.enumerated() where isStandard(node, "Constant") {
      guard let output = node.node.outputs.first, output >= 0, let attribute = node.node.attributes.first else { continue }
      let id: TensorID
      switch attribute.value {
      case .tensor(let tensor): id = tensor
      case .float(let value): id = try constants.add([value], dimensions: [], name: node.node.name)
      case .floats(let values): id = try constants.add(values, dimensions: [values.count], name: node.node.name)
      case .int(let value): id = try constants.add([value], dimensions: [], name: node.node.name)
      case .ints(let values): id = try constants.add(values, dimensions: [values.count], name: node.node.name)
      default:
        throw ApusError(
          .unsupportedType, "this version runs constants of numbers", operatorName: node.label,
          actual: attribute.value.kind.text)
      }
      program.graph.values[Int(output)].constant = id
      removed.append(position)
    }
    // Types are inferred over the graph, where the value is now a constant and has no writer.
    if !removed.isEmpty {
      program.graph.nodes = program.graph.nodes.filter { !($0.domain == .onnx && $0.operatorName == "Constant") }
    }
    remove(removed)
  }

  /// Lets readers of Identity's outputs, and of those of a Dropout that drops nothing or a Cast to the type at hand, read the
  /// inputs.
  func removeIdentities() throws(ApusError) {
    var removed: [Int] = []
    for position in program.nodes.indices {
      program.nodes[position].node.inputs = program.nodes[position].node.inputs.map { program.resolved($0) }
      program.nodes[position].captured = program.nodes[position].captured.map { program.resolved($0) }
      let node = program.nodes[position]
      let passesOn =
        isStandard(node, "Dropout") ? try isForInference(node) : isStandard(node, "Identity") || castsToSame(node)
      guard passesOn else { continue }
      program.replacement[Int(node.node.outputs[0])] = node.node.inputs[0]
      removed.append(position)
    }
    remove(removed)
  }

  private func castsToSame(_ node: ProgramNode) -> Bool {
    guard isStandard(node, "Cast"), node.node.inputs[0] >= 0, let type = elementType(of: node.node.inputs[0]) else {
      return false
    }
    return type == elementType(of: node.node.outputs[0])
  }

  /// Whether a Dropout passes its operand on and nobody asks what it dropped.
  private func isForInference(_ node: ProgramNode) throws(ApusError) -> Bool {
    if node.node.outputs.count > 1, node.node.outputs[1] >= 0 { return false }
    guard node.node.inputs.count > 2, node.node.inputs[2] >= 0 else { return true }
    guard let id = constant(node.node.inputs[2]) else { return false }
    return try constants.firstByte(id) == 0
  }
}
