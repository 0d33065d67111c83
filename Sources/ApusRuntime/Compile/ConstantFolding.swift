import ApusGraph

extension Compiler {
  /// Results over this size are computed in each run rather than kept for the model's life.
  static let foldedBytes = 1 << 30

  /// Computes nodes whose operands are all constants, but for those that draw random numbers.
  /// - Parameter keepsQuantized: whether DequantizeLinear stays for passes that look for it.
  func foldConstants(_ evaluator: NodeEvaluator, keepsQuantized: Bool) throws(ApusError) {
    var removed: [Int] = []
    for (position, node) in program.nodes.enumerated() {
      guard !node.node.inputs.isEmpty, !drawsNumbers(node), !readsTextOrNothing(node),
        !keepsQuantized || !isConversion(node, "DequantizeLinear")
      else { continue }
      guard !node.node.inputs.contains(where: { $0 >= 0 && constant($0) == nil }) else { continue }
      var isLazy = try widens(node)
      if !isLazy { isLazy = try dequantizes(node) }
      if isLazy {
        removed.append(position)
        continue
      }
      let narrow = narrowed(node)
      guard
        let results = try evaluator.evaluate(
          narrow ?? node, program.graph.values, known: { _ in nil }, maximumBytes: Compiler.foldedBytes)
      else { continue }
      for (index, id) in node.node.outputs.enumerated() where id >= 0 {
        guard let result = results[index] else { continue }
        let made = try constants.add(result, name: program.graph.values[Int(id)].name)
        setConstant(id, narrow == nil ? made : constants.widened(made))
      }
      removed.append(position)
    }
    remove(removed)
  }

  func setConstant(_ id: ValueID, _ tensor: TensorID) {
    let made = constants.tensors[Int(tensor)]
    program.graph.values[Int(id)].type = .tensor(TensorType(made.elementType, Shape(made.dimensions)))
    program.graph.values[Int(id)].constant = tensor
  }

  /// Whether a node is a Cast of stored 16-bit floats to float32, which then is a constant that nobody computes yet: what reads
  /// it may make do with the 16 bits.
  private func widens(_ node: ProgramNode) throws(ApusError) -> Bool {
    guard isStandard(node, "Cast"), let source = constant(node.node.inputs[0]),
      constants.tensors[Int(source)].elementType.isHalf, node.node.outputs[0] >= 0,
      try attributes(of: node).int("to") == Int(ElementType.float32.rawValue)
    else { return false }
    setConstant(node.node.outputs[0], constants.widened(source))
    return true
  }

  /// A node that only moves elements, with 16-bit floats in place of the float32 ones of the same values; else nil.
  private func narrowed(_ node: ProgramNode) -> ProgramNode? {
    guard node.node.outputs.count == 1, let operand = node.node.inputs.first, let wide = constant(operand),
      let narrow = constants.narrow(wide)
    else { return nil }
    for name: StaticString in ["Flatten", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"]
    where isStandard(node, name) {
      var moved = node
      moved.node.inputs[0] = addConstant(narrow, name: program.graph.values[Int(operand)].name)
      return moved
    }
    return nil
  }

  /// Lets a Gather read a table of 16-bit floats as it is stored: what it found is widened, in place of the table.
  func narrowTables() throws(ApusError) {
    guard let cast = registry.schemas(domain: .onnx, name: "Cast").last?.versions.last else { return }
    var nodes: [ProgramNode] = []
    for node in program.nodes {
      var node = node
      defer { nodes.append(node) }
      guard isStandard(node, "Gather"), node.isPlain, let wide = constant(node.node.inputs[0]),
        let narrow = constants.narrow(wide)
      else { continue }
      let result = node.node.outputs[0]
      let name = program.graph.values[Int(result)].name
      let shape = program.graph.values[Int(result)].type?.tensor?.shape
      node.node.inputs[0] = addConstant(narrow, name: name)
      node.node.outputs[0] = addValue(
        Value(name: name, type: .tensor(TensorType(constants.tensors[Int(narrow)].elementType, shape))))
      nodes.append(node)
      node = ProgramNode(
        Node(
          name: node.node.name, operatorName: "Cast", sinceVersion: cast,
          inputs: [node.node.outputs[0]], outputs: [result],
          attributes: [Attribute("to", .int(Int64(ElementType.float32.rawValue)))]))
    }
    program.nodes = nodes
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
  func markShapeComputations() throws(ApusError) {
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
