import ApusGraph

extension Compiler {
  /// Moves BatchNormalization after a Conv or ConvTranspose with constant weights into weights and bias:
  /// `w' = w s`, `b' = (b - mean) s + shift` with `s = scale / sqrt(var + epsilon)`.
  mutating func foldBatchNormalization() throws(ApusError) {
    let writers = program.writers()
    let readers = program.readerCounts()
    var removed: [Int] = []
    for position in program.nodes.indices where isStandard(program.nodes[position], "BatchNormalization") {
      let normalization = program.nodes[position]
      let input = normalization.node.inputs[0]
      guard try usesStoredStatistics(normalization) else { continue }
      guard input >= 0, readers[Int(input)] == 1, let writer = writers[Int(input)] else { continue }
      let isTransposed = isStandard(program.nodes[writer], "ConvTranspose")
      guard isTransposed || isStandard(program.nodes[writer], "Conv") else { continue }
      guard let weights = constant(program.nodes[writer].node.inputs[1]) else { continue }
      var bias: TensorID?
      if program.nodes[writer].node.inputs.count > 2, program.nodes[writer].node.inputs[2] >= 0 {
        guard let id = constant(program.nodes[writer].node.inputs[2]) else { continue }
        bias = id
      }
      var statistics: [TensorID] = []
      for index in 1...4 {
        if let id = constant(normalization.node.inputs[index]) { statistics.append(id) }
      }
      guard statistics.count == 4, constants.areFloat32([weights] + statistics + (bias.map { [$0] } ?? [])) else { continue }
      let epsilon = try attributes(of: normalization).float("epsilon") ?? 1e-5
      let groups = isTransposed ? try attributes(of: program.nodes[writer]).int("group") ?? 1 : nil
      let folded = try constants.folded(
        weights: weights, bias: bias, statistics: statistics, epsilon: epsilon, transposedGroups: groups)
      let name = constants.tensors[Int(weights)].name
      program.nodes[writer].node.inputs[1] = addConstant(folded.weights, name: name)
      let biasValue = addConstant(folded.bias, name: Name(bytes: name.bytes + Array(".folded_bias".utf8)))
      if program.nodes[writer].node.inputs.count > 2 {
        program.nodes[writer].node.inputs[2] = biasValue
      } else {
        program.nodes[writer].node.inputs.append(biasValue)
      }
      program.nodes[writer].node.outputs[0] = normalization.node.outputs[0]
      removed.append(position)
    }
    remove(removed)
  }

  /// Turns the statistics of a BatchNormalization that stays into a factor and a shift for each channel.
  mutating func simplifyBatchNormalization() throws(ApusError) {
    for position in program.nodes.indices where isStandard(program.nodes[position], "BatchNormalization") {
      let node = program.nodes[position]
      guard try usesStoredStatistics(node), elementType(of: node.node.inputs[0]) != .float64 else { continue }
      var statistics: [TensorID] = []
      for index in 1...4 {
        if let id = constant(node.node.inputs[index]) { statistics.append(id) }
      }
      guard statistics.count == 4, constants.areFloat32(statistics) else { continue }
      let epsilon = try attributes(of: node).float("epsilon") ?? 1e-5
      let affine = try constants.affine(statistics: statistics, epsilon: epsilon)
      program.nodes[position].original = node.node
      program.nodes[position].node.inputs = [
        node.node.inputs[0], addConstant(affine.scale, name: "scale"), addConstant(affine.shift, name: "shift"),
      ]
    }
  }

  private func usesStoredStatistics(_ normalization: ProgramNode) throws(ApusError) -> Bool {
    try !attributes(of: normalization).flag("training_mode")
  }

  /// Moves an Add of a constant vector along the last axis into the MatMul before it.
  mutating func fuseBias() {
    fuse(into: { $0.isStandard($1, "MatMul") && $1.bias == nil && $1.residual == nil && $1.activation == .none }) {
      compiler, node, other, writer, _ in
      guard compiler.isStandard(node, "Add"), let id = compiler.constant(other) else { return false }
      let tensor = compiler.constants.tensors[Int(id)]
      guard tensor.elementType == .float32, tensor.dimensions.count == 1,
        compiler.columns(of: writer) == tensor.dimensions[0]
      else { return false }
      compiler.program.nodes[writer].bias = other
      return true
    }
  }

  /// The extent of the last axis of a MatMul's result where its constant right operand tells it.
  private func columns(of position: Int) -> Int? {
    guard let id = constant(program.nodes[position].node.inputs[1]) else { return nil }
    let dimensions = constants.tensors[Int(id)].dimensions
    return dimensions.count >= 2 ? dimensions.last : nil
  }

  /// Moves an Add of a tensor of the same shape into the convolution that makes one of its operands last.
  mutating func fuseResidual() {
    fuse(into: { $0.isStandard($1, "Conv") && $1.residual == nil && $1.activation == .none }) {
      compiler, node, other, writer, writers in
      guard compiler.isStandard(node, "Add"), compiler.haveEqualShapes(node.node.inputs) else { return false }
      // The other operand must be there before the convolution runs.
      if let otherWriter = writers[Int(other)], otherWriter >= writer { return false }
      compiler.program.nodes[writer].residual = other
      return true
    }
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
  mutating func fuseActivations() {
    fuse(into: { $0.takesActivation($1) && $1.activation == .none }) { compiler, node, _, writer, _ in
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
    // With constant statistics, which are two vectors by now: see simplifyBatchNormalization.
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
    if isStandard(node, "Swish") { return .swish(alpha: reader.float("alpha") ?? 1) }
    return nil
  }

  /// A bound of a Clip that is a constant and not NaN; `missing` where it is left out.
  private func bound(_ node: ProgramNode, _ index: Int, _ missing: Float) -> Float? {
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
  private mutating func fuse(
    into accepts: (Compiler, ProgramNode) -> Bool,
    _ absorb: (inout Compiler, ProgramNode, ValueID, Int, [Int?]) -> Bool
  ) {
    let readers = program.readerCounts()
    var writers = program.writers()
    var removed: [Int] = []
    for position in program.nodes.indices {
      let node = program.nodes[position]
      guard node.bias == nil, node.residual == nil, node.activation == .none, node.node.outputs.count == 1 else { continue }
      for (index, input) in node.node.inputs.enumerated() where input >= 0 && index < 2 {
        guard readers[Int(input)] == 1, let writer = writers[Int(input)], isFloat32(input) else { continue }
        guard accepts(self, program.nodes[writer]) else { continue }
        let other = node.node.inputs.count == 2 ? node.node.inputs[1 - index] : .absent
        guard absorb(&self, node, other, writer, writers) else { continue }
        program.nodes[writer].node.outputs[0] = node.node.outputs[0]
        writers[Int(node.node.outputs[0])] = writer
        removed.append(position)
        break
      }
    }
    remove(removed)
  }

  private func isFloat32(_ id: ValueID) -> Bool { elementType(of: id) == .float32 }

  private func elementType(of id: ValueID) -> ElementType? { program.graph.values[Int(id)].type?.tensor?.elementType }
}
