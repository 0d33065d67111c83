import ApusGraph

extension Compiler {
  /// Moves an Add of a constant vector along the last axis, also `[1, ..., n]`, into the MatMul before it.
  func fuseBias() {
    fuse(into: { $0.isStandard($1, "MatMul") && $1.bias == nil && $1.residual == nil && $1.activation == .none }) {
      compiler, node, other, writer, _ in
      guard compiler.isStandard(node, "Add"), let id = compiler.constant(other) else { return false }
      let tensor = compiler.constants.tensors[Int(id)]
      guard tensor.elementType == .float32, let last = tensor.dimensions.last, compiler.columns(of: writer) == last,
        elementCount(tensor.dimensions) == last, let rank = compiler.rank(of: node.node.outputs[0]),
        rank == compiler.rank(of: compiler.program.nodes[writer].node.outputs[0])
      else { return false }
      compiler.program.nodes[writer].bias = other
      return true
    }
  }

  private func rank(of id: ValueID) -> Int? { program.graph.values[Int(id)].type?.tensor?.shape?.rank }

  /// The extent of the last axis of a MatMul's result where its constant right operand tells it.
  private func columns(of position: Int) -> Int? {
    guard let id = constant(program.nodes[position].node.inputs[1]) else { return nil }
    let dimensions = constants.tensors[Int(id)].dimensions
    return dimensions.count >= 2 ? dimensions.last : nil
  }

  /// Moves an Add of a tensor of the same shape into the convolution or matrix product that makes one of its operands last.
  func fuseResidual() {
    fuse(seesThroughReshape: true, into: { $0.takesResidual($1) && $1.residual == nil && $1.activation == .none }) {
      compiler, node, other, writer, writers in
      guard compiler.isStandard(node, "Add"), compiler.haveEqualShapes(node.node.inputs) else { return false }
      // Rows of a product stay rows in another shape; pixels of a convolution do not.
      if compiler.isStandard(compiler.program.nodes[writer], "Conv"),
        !node.node.inputs.contains(compiler.program.nodes[writer].node.outputs[0])
      {
        return false
      }
      // The other operand must be there before the kernel runs.
      if let otherWriter = writers[Int(other)], otherWriter >= writer { return false }
      compiler.program.nodes[writer].residual = other
      return true
    }
  }

  /// Of matrix products those of one weight matrix, whose rows follow one another, and whose tail adds no tensor yet.
  private func takesResidual(_ node: ProgramNode) -> Bool {
    if isStandard(node, "Conv") { return true }
    guard node.node.inputs.count > 1, let weights = constant(node.node.inputs[1]),
      constants.tensors[Int(weights)].dimensions.count == 2
    else { return false }
    if isStandard(node, "MatMul") { return true }
    guard isStandard(node, "Gemm"), let reader = try? attributes(of: node) else { return false }
    guard node.node.inputs.count > 2, node.node.inputs[2] >= 0 else { return true }
    guard let bias = constant(node.node.inputs[2]), (reader.float("beta") ?? 1) == 1 else { return false }
    let columns = constants.tensors[Int(weights)].dimensions[reader.flag("transB") ? 0 : 1]
    return columns > 1 && constants.tensors[Int(bias)].dimensions == [columns]
  }

  /// Whether two values have one declared shape, known before a run but for equal symbols.
  private func haveEqualShapes(_ ids: [ValueID]) -> Bool {
    guard let a = program.graph.values[Int(ids[0])].type?.tensor, let b = program.graph.values[Int(ids[1])].type?.tensor else {
      return false
    }
    guard let shape = a.shape, a.elementType == .float32, b.elementType == .float32, shape == b.shape else { return false }
    return !shape.dimensions.contains(.unknown)
  }

  /// Moves activations into the kernels before them.
  func fuseActivations() {
    fuse(seesThroughReshape: true, into: { $0.takesActivation($1) && $1.activation == .none }) { compiler, node, _, writer, _ in
      guard let activation = compiler.activation(of: node) else { return false }
      compiler.program.nodes[writer].activation = activation
      return true
    }
  }

  private func takesActivation(_ node: ProgramNode) -> Bool {
    for name: StaticString in ["Conv", "ConvTranspose", "DeformConv", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div"]
    where isStandard(node, name) {
      return true
    }
    // With constant statistics, which are two vectors by now: see simplifyAffineMaps.
    return isStandard(node, "BatchNormalization") && node.node.inputs.count == 3
  }

  private func activation(of node: ProgramNode) -> FusedActivation? {
    if isStandard(node, "Relu") { return .relu }
    if isStandard(node, "Sigmoid") { return .sigmoid }
    if isStandard(node, "Tanh") { return .tanh }
    if isStandard(node, "HardSwish") { return .hardSwish(alpha: 1 / 6, beta: 0.5) }
    if isStandard(node, "Clip") {
      guard let low = bound(node, 1, -.infinity), let high = bound(node, 2, .infinity) else { return nil }
      return .clip(low: low, high: high)
    }
    guard let reader = try? attributes(of: node) else { return nil }
    if isStandard(node, "LeakyRelu") { return .leakyRelu(alpha: reader.float("alpha") ?? 0.01) }
    if isStandard(node, "HardSigmoid") {
      return .hardSigmoid(alpha: reader.float("alpha") ?? 0.2, beta: reader.float("beta") ?? 0.5)
    }
    if isStandard(node, "Gelu") { return reader.string("approximate") == "tanh" ? nil : .gelu }
    if isStandard(node, "Swish") { return .swish(alpha: reader.float("alpha") ?? 1) }
    return nil
  }

  /// A bound of a Clip that is a constant and not NaN; `missing` where it is left out.
  func bound(_ node: ProgramNode, _ index: Int, _ missing: Float) -> Float? {
    guard index < node.node.inputs.count, node.node.inputs[index] >= 0 else { return missing }
    guard let id = constant(node.node.inputs[index]), constants.tensors[Int(id)].elementType == .float32,
      let value = (try? constants.floats(id))?.first, !value.isNaN
    else { return nil }
    return value
  }

  /// Tries to move each node into the node that writes one of its operands, if it is that operand's only reader.
  ///
  /// `absorb` gets the compiler, the node, its other operand (or -1), the writer's position and who writes each value; it
  /// changes the writer and returns true, or returns false.
  /// - Parameter seesThroughReshape: whether a Reshape may stand between the two.
  private func fuse(
    seesThroughReshape: Bool = false, into accepts: (Compiler, ProgramNode) -> Bool,
    _ absorb: (Compiler, ProgramNode, ValueID, Int, [Int?]) -> Bool
  ) {
    let readers = program.readerCounts()
    var writers = program.writers()
    var removed: [Int] = []
    for position in program.nodes.indices {
      let node = program.nodes[position]
      guard node.bias == nil, node.residual == nil, node.activation == .none, node.node.outputs.count == 1 else { continue }
      for (index, input) in node.node.inputs.enumerated() where input >= 0 && index < 2 {
        guard readers[Int(input)] == 1, var writer = writers[Int(input)], isFloat32(input) else { continue }
        let last = writer
        if seesThroughReshape, isStandard(program.nodes[writer], "Reshape") {
          let source = program.nodes[writer].node.inputs[0]
          guard readers[Int(source)] == 1, let other = writers[Int(source)] else { continue }
          writer = other
        }
        guard accepts(self, program.nodes[writer]) else { continue }
        let other = node.node.inputs.count == 2 ? node.node.inputs[1 - index] : .absent
        guard absorb(self, node, other, writer, writers) else { continue }
        program.nodes[last].node.outputs[0] = node.node.outputs[0]
        writers[Int(node.node.outputs[0])] = last
        removed.append(position)
        break
      }
    }
    remove(removed)
  }

  private func isFloat32(_ id: ValueID) -> Bool { elementType(of: id) == .float32 }

  func elementType(of id: ValueID) -> ElementType? { program.graph.values[Int(id)].type?.tensor?.elementType }
}
