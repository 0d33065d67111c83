import ApusGraph

extension Compiler {
  /// Moves maps `x factor + shift` of channels (BatchNormalization with constant statistics; Add, Sub, Mul and Div of one
  /// constant, or one a channel) into the weights and bias of the Conv or ConvTranspose before them, or of the Conv behind
  /// them where its padding allows it.
  func foldAffineMaps() throws(ApusError) {
    var writers = program.writers()
    let readers = program.readerCounts()
    var removed: [Int] = []
    // From the first node on: a chain of maps folds one after the other.
    for position in program.nodes.indices {
      let node = program.nodes[position].node
      guard let input = mappedInput(program.nodes[position]), readers[Int(input)] == 1, let writer = writers[Int(input)],
        let (weights, bias) = constantWeights(program.nodes[writer]), program.nodes[writer].node.outputs.count == 1
      else { continue }
      let isTransposed = isStandard(program.nodes[writer], "ConvTranspose")
      let groups = isTransposed ? try attributes(of: program.nodes[writer]).int("group") ?? 1 : nil
      let dimensions = constants.tensors[Int(weights)].dimensions
      let channels = isTransposed ? try dimensions[1].checkedMultiplied(by: groups ?? 1) : dimensions[0]
      guard let map = try affineMap(program.nodes[position], channels: channels) else { continue }
      let folded = try constants.folded(weights: weights, bias: bias, then: map, transposedGroups: groups)
      setWeights(writer, folded)
      program.nodes[writer].node.outputs[0] = node.outputs[0]
      writers[Int(node.outputs[0])] = writer
      removed.append(position)
    }
    remove(removed)
    try foldAffineMapsForward()
  }

  /// Moves maps into the only convolutions that read them; from the last node back, so that chains fold.
  private func foldAffineMapsForward() throws(ApusError) {
    let writers = program.writers()
    let readers = program.readerCounts()
    var removed: [Int] = []
    for position in program.nodes.indices where isStandard(program.nodes[position], "Conv") {
      while let (weights, bias) = constantWeights(program.nodes[position]) {
        let dimensions = constants.tensors[Int(weights)].dimensions
        let reader = try attributes(of: program.nodes[position])
        let groups = reader.int("group") ?? 1
        let input = program.nodes[position].node.inputs[0]
        guard readers[Int(input)] == 1, let writer = writers[Int(input)], dimensions.count >= 2,
          let source = mappedInput(program.nodes[writer]),
          let map = try affineMap(program.nodes[writer], channels: try dimensions[1].checkedMultiplied(by: groups))
        else { break }
        var isPadded = (reader.ints("pads") ?? []).contains { $0 != 0 }
        if let mode = reader.string("auto_pad"), mode != "NOTSET" { isPadded = true }
        if isPadded, map.shifts.contains(where: { $0 != 0 }) { break }
        setWeights(position, try constants.folded(first: map, weights: weights, bias: bias, groups: groups))
        program.nodes[position].node.inputs[0] = source
        removed.append(writer)
      }
    }
    remove(removed)
  }

  /// Turns BatchNormalizations that stay into such of two vectors, and two neighbouring maps into one.
  /// - Parameter merges: whether to do the latter.
  func simplifyAffineMaps(_ bindings: KernelBindings, merges: Bool) throws(ApusError) {
    let writers = program.writers()
    let readers = program.readerCounts()
    let version = registry.schemas(domain: .onnx, name: "BatchNormalization").last?.versions.last
    var removed: [Int] = []
    var maps: [ChannelAffine?] = Array(repeating: nil, count: program.nodes.count)
    for position in program.nodes.indices {
      let node = program.nodes[position]
      guard let input = mappedInput(node), let channels = channels(of: input), var map = try affineMap(node, channels: channels)
      else { continue }
      maps[position] = map
      var made = node
      made.original = node.node
      if isStandard(node, "BatchNormalization") {
        guard elementType(of: input) != .float64 else { continue }
      } else {
        // Alone it is as good an elementwise step; two are one pass instead of two.
        guard merges, let version, readers[Int(input)] == 1, let writer = writers[Int(input)], let first = maps[writer],
          let source = mappedInput(program.nodes[writer])
        else { continue }
        map = first.followed(by: map)
        maps[position] = map
        made.node = Node(
          name: node.node.name, operatorName: "BatchNormalization", sinceVersion: version, inputs: [source],
          outputs: node.node.outputs)
        guard bindings.canRun(made.node) else { continue }
        // The shape rule sees the operand that varies first, whatever its place was.
        made.original?.inputs = [source] + node.node.inputs.filter { constant($0) != nil }
        removed.append(writer)
      }
      let vectors = try constants.add(map)
      made.node.inputs = [
        made.node.inputs[0], addConstant(vectors.scale, name: "scale"), addConstant(vectors.shift, name: "shift"),
      ]
      program.nodes[position] = made
    }
    remove(removed)
  }

  /// The extent of axis 1.
  private func channels(of id: ValueID) -> Int? {
    guard let shape = program.graph.values[Int(id)].type?.tensor?.shape, shape.rank > 1 else { return nil }
    return shape[1].value
  }

  /// The constant float32 weights and bias of a convolution, if it has no others.
  private func constantWeights(_ node: ProgramNode) -> (weights: TensorID, bias: TensorID?)? {
    guard isStandard(node, "ConvTranspose") || isStandard(node, "Conv"), let weights = constant(node.node.inputs[1]),
      constants.areFloat32([weights]), constants.tensors[Int(weights)].dimensions.count >= 2
    else { return nil }
    guard node.node.inputs.count > 2, node.node.inputs[2] >= 0 else { return (weights, nil) }
    guard let bias = constant(node.node.inputs[2]), constants.areFloat32([bias]) else { return nil }
    return (weights, bias)
  }

  private func setWeights(_ position: Int, _ folded: (weights: TensorID, bias: TensorID)) {
    let name = constants.tensors[Int(folded.weights)].name
    let weights = addConstant(folded.weights, name: name)
    let bias = addConstant(folded.bias, name: Name(bytes: name.bytes + Array(".folded_bias".utf8)))
    program.nodes[position].node.inputs = [program.nodes[position].node.inputs[0], weights, bias]
  }

  /// The operand that varies of a node that may be a map of channels.
  private func mappedInput(_ node: ProgramNode) -> ValueID? {
    guard node.isPlain, node.original == nil else { return nil }
    let inputs = node.node.inputs
    if isStandard(node, "BatchNormalization") { return inputs[0] >= 0 ? inputs[0] : nil }
    let commutes = isStandard(node, "Add") || isStandard(node, "Mul")
    guard commutes || isStandard(node, "Sub") || isStandard(node, "Div"), elementType(of: node.node.outputs[0]) == .float32 else {
      return nil
    }
    if constant(inputs[1]) != nil { return constant(inputs[0]) == nil ? inputs[0] : nil }
    return commutes && constant(inputs[0]) != nil ? inputs[1] : nil
  }

  /// The map that a node is; nil where it is none.
  private func affineMap(_ node: ProgramNode, channels: Int) throws(ApusError) -> ChannelAffine? {
    guard let input = mappedInput(node) else { return nil }
    if isStandard(node, "BatchNormalization") {
      guard try !attributes(of: node).flag("training_mode") else { return nil }
      let statistics = node.node.inputs[1...4].compactMap { constant($0) }
      guard statistics.count == 4, constants.areFloat32(statistics) else { return nil }
      return try ChannelAffine(statistics, epsilon: try attributes(of: node).float("epsilon") ?? 1e-5, constants)
    }
    let other = node.node.inputs[node.node.inputs[0] == input ? 1 : 0]
    guard let id = constant(other), let rank = program.graph.values[Int(input)].type?.tensor?.shape?.rank, rank >= 2,
      self.channels(of: input) == channels, let values = try channelVector(id, rank: rank, channels: channels)
    else { return nil }
    let (ones, zeros) = (Array(repeating: 1.0, count: channels), Array(repeating: 0.0, count: channels))
    if isStandard(node, "Add") { return ChannelAffine(factors: ones, shifts: values) }
    if isStandard(node, "Sub") { return ChannelAffine(factors: ones, shifts: values.map { -$0 }) }
    if isStandard(node, "Mul") { return ChannelAffine(factors: values, shifts: zeros) }
    guard !values.contains(0) else { return nil }
    return ChannelAffine(factors: values.map { 1 / $0 }, shifts: zeros)
  }

  /// The finite numbers of a constant that is one number, or one a channel, beside `[N, C, ...]` of a rank; else nil.
  private func channelVector(_ id: TensorID, rank: Int, channels: Int) throws(ApusError) -> [Double]? {
    let extents = constants.tensors[Int(id)].dimensions
    guard constants.areFloat32([id]), extents.count <= rank, let count = elementCount(extents), count == 1 || count == channels
    else { return nil }
    let axis = extents.count - (rank - 1)
    guard count == 1 || (axis >= 0 && extents[axis] == channels) else { return nil }
    let values = try constants.floats(id).map { Double($0) }
    guard values.allSatisfy({ $0.isFinite }) else { return nil }
    return count == channels ? values : Array(repeating: values[0], count: channels)
  }
}
