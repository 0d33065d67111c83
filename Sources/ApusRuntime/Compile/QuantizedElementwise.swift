import ApusGraph

/// Sums, products, pooling, concatenations and maps of 8-bit operands.
extension QuantizedFusion {
  /// An operator between dequantized operands and a QuantizeLinear in its 8-bit form; nil where it has none.
  func elementwise(
    _ node: ProgramNode, _ quantum: Quantum, _ bounds: (low: Int32, high: Int32), to output: ValueID
  ) throws(ApusError) -> ProgramNode? {
    let operands = node.node.inputs.map { source($0) }
    guard let x = operands.first ?? nil, let form = try form(node, operands, x, quantum, bounds),
      evaluator.bindings.quantizedForms != nil
    else { return nil }
    var made = node
    for (index, operand) in operands.enumerated() {
      if let operand { made.node.inputs[index] = operand.q }
    }
    made.node.outputs = [output]
    made.quantized = form
    return made
  }

  private func form(
    _ node: ProgramNode, _ operands: [DequantizedValue?], _ x: DequantizedValue, _ quantum: Quantum,
    _ bounds: (low: Int32, high: Int32)
  ) throws(ApusError) -> QuantizedForm? {
    let isDifference = compiler.isStandard(node, "Sub")
    if operands.count == 2, let b = operands[1]?.quantum {
      if isDifference || compiler.isStandard(node, "Add") {
        return .addition(
          QuantizedAddition(
            factorA: x.quantum.scale / quantum.scale, zeroA: x.quantum.zero,
            factorB: (isDifference ? -b.scale : b.scale) / quantum.scale, zeroB: b.zero, zero: quantum.zero, low: bounds.low,
            high: bounds.high))
      }
      if compiler.isStandard(node, "Mul") {
        return .product(
          QuantizedProduct(
            factor: x.quantum.scale * b.scale / quantum.scale, zeroA: x.quantum.zero, zeroB: b.zero, zero: quantum.zero,
            low: bounds.low, high: bounds.high))
      }
    }
    let rank = compiler.program.graph.values[Int(x.q)].type?.tensor?.shape?.rank ?? 0
    let isPool = compiler.isStandard(node, "GlobalAveragePool") || compiler.isStandard(node, "AveragePool")
    if isPool && (rank == 3 || rank == 4) || isSpatialMean(node, rank: rank) {
      return .average(
        QuantizedAverage(
          scaleX: x.quantum.scale, zeroX: x.quantum.zero, scale: quantum.scale, zero: quantum.zero, low: bounds.low,
          high: bounds.high))
    }
    guard compiler.isStandard(node, "Concat") else { return nil }
    var tables: [[UInt8]?] = []
    for operand in operands {
      guard let operand else { return nil }
      let isSame =
        operand.quantum.isEqual(quantum) && bounds.low == quantum.low && bounds.high == quantum.high
      tables.append(isSame ? nil : requantization(operand.quantum, quantum, bounds))
    }
    return .tables(tables)
  }

  /// Whether a node is the mean over both axes of images.
  private func isSpatialMean(_ node: ProgramNode, rank: Int) -> Bool {
    guard compiler.isStandard(node, "ReduceMean"), rank == 4, node.node.inputs.count == 2,
      let axes = compiler.integers(node.node.inputs[1])
    else { return false }
    return axes.map { $0 < 0 ? $0 + 4 : $0 }.sorted() == [2, 3]
  }

  /// By byte of the one quantization the byte of the other.
  private func requantization(_ from: Quantum, _ to: Quantum, _ bounds: (low: Int32, high: Int32)) -> [UInt8] {
    (0...255).map { byte in
      let q = from.type == .int8 ? Int32(Int8(truncatingIfNeeded: byte)) : Int32(byte)
      let real = Float(q - from.zero) * from.scale
      return UInt8(truncatingIfNeeded: min(max(to.quantized(real), bounds.low), bounds.high))
    }
  }

  // MARK: Maps of elements

  /// The most nodes that are computed for a table.
  private static let longestChain = 24

  /// What computes `QuantizeLinear(value)` where that follows from one 8-bit tensor, element by element: a table made by the
  /// operators' own kernels.
  func table(
    _ value: ValueID, _ quantum: Quantum, _ node: Node
  ) throws(ApusError) -> (node: ProgramNode, spent: [ValueID])? {
    guard evaluator.bindings.quantizedForms != nil else { return nil }
    var chain: [Int] = []
    var origins: [ValueID] = []
    guard follow(value, &chain, &origins), let first = origins.first, let found = source(first), isClosed(chain, value) else {
      return nil
    }
    var known: [(id: ValueID, operand: Operand)] = [
      (found.q, Operand(type: TensorType(found.quantum.type, Shape([256])), contents: (0...255).map { UInt8($0) }))
    ]
    var steps = (origins.compactMap { writers[Int($0)] } + chain.sorted()).map { slots[$0][0] }
    steps.append(ProgramNode(node))
    for step in steps {
      let results = try evaluator.evaluate(
        step, compiler.program.graph.values, known: { id in known.first { $0.id == id }?.operand }, maximumBytes: 4096)
      guard let result = results?.first ?? nil, elementCount(result.extents) == 256 else { return nil }
      known.append(
        (
          step.node.outputs[0],
          Operand(type: TensorType(result.elementType, Shape([256])), contents: Array(result.bytes))
        ))
    }
    guard let bytes = known.last?.operand.contents, bytes.count == 256 else { return nil }
    var made = ProgramNode(node)
    if let written = writers[Int(value)], source(value) == nil { made = slots[written][0] }
    made.node.inputs = [found.q]
    made.node.outputs = node.outputs
    made.quantized = .tables([bytes])
    return (made, [value] + chain.map { slots[$0][0].node.outputs[0] })
  }

  /// Finds the dequantized values that `value` is a map of; false where they are not one tensor of 8 bits.
  private func follow(_ value: ValueID, _ chain: inout [Int], _ origins: inout [ValueID]) -> Bool {
    if let found = source(value) {
      if origins.contains(value) { return true }
      if let first = origins.first, source(first)?.q != found.q { return false }
      origins.append(value)
      return true
    }
    guard let node = writer(of: value), let position = writers[Int(value)], node.isPlain, mapsElements(node),
      chain.count < QuantizedFusion.longestChain
    else { return false }
    if chain.contains(position) { return true }
    chain.append(position)
    for id in node.node.inputs where id >= 0 && compiler.scalar(id) == nil {
      guard follow(id, &chain, &origins) else { return false }
    }
    return !origins.isEmpty
  }

  /// Whether nobody else reads what a chain computes, and scalars in it have no axes that the result would get.
  private func isClosed(_ chain: [Int], _ value: ValueID) -> Bool {
    for position in chain {
      let node = slots[position][0].node
      let result = node.outputs[0]
      var inside = result == value ? 1 : 0
      for reader in chain { inside += slots[reader][0].node.inputs.count { $0 == result } }
      guard inside == readers[Int(result)] else { return false }
      guard let rank = compiler.program.graph.values[Int(result)].type?.tensor?.shape?.rank else { return false }
      for id in node.inputs where id >= 0 {
        if compiler.constant(id) != nil { continue }
        guard compiler.program.graph.values[Int(id)].type?.tensor?.shape?.rank == rank else { return false }
      }
    }
    return true
  }

  private func mapsElements(_ node: ProgramNode) -> Bool {
    guard node.node.outputs.count == 1, compiler.elementType(of: node.node.outputs[0]) == .float32 else { return false }
    for name: StaticString in [
      "Abs", "Add", "Ceil", "Celu", "Clip", "Div", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu",
      "Log", "Max", "Min", "Mish", "Mul", "Neg", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Softplus",
      "Softsign", "Sqrt", "Sub", "Swish", "Tanh", "ThresholdedRelu",
    ] where compiler.isStandard(node, name) {
      return true
    }
    return false
  }

  // MARK: Residuals

  /// Moves sums into the tails of the convolutions and products that make one of their operands last.
  func fuseResiduals() {
    open()
    for position in slots.indices {
      guard let node = slots[position].first, case .addition(let sum)? = node.quantized else { continue }
      for (index, own) in node.node.inputs.enumerated() {
        let other = node.node.inputs[1 - index]
        guard own != other, readers[Int(own)] == 1, let writer = writers[Int(own)], var product = slots[writer].first,
          let binding = evaluator.bindings.kernel(of: product.node), binding.tail.contains(.addition),
          product.residual == nil, areAlike(own, other), areAlike(own, node.node.outputs[0]),
          (writers[Int(other)] ?? -1) < writer, let type = compiler.elementType(of: own)
        else { continue }
        var tail = product.tail ?? QuantizedTail(low: type == .int8 ? -128 : 0, high: type == .int8 ? 127 : 255)
        tail.addition = sum
        if index == 1 {
          tail.addition?.factorA = sum.factorB
          tail.addition?.zeroA = sum.zeroB
          tail.addition?.factorB = sum.factorA
          tail.addition?.zeroB = sum.zeroA
        }
        product.tail = tail
        product.residual = other
        product.node.outputs[0] = node.node.outputs[0]
        writers[Int(node.node.outputs[0])] = writer
        slots[writer] = [product]
        slots[position] = []
        break
      }
    }
    close()
  }

  /// Whether two values have one known shape, or one of equal symbols, and one element type.
  private func areAlike(_ a: ValueID, _ b: ValueID) -> Bool {
    guard let first = compiler.program.graph.values[Int(a)].type?.tensor,
      let second = compiler.program.graph.values[Int(b)].type?.tensor, first.elementType == second.elementType,
      let shape = first.shape, shape == second.shape
    else { return false }
    return !shape.dimensions.contains(.unknown)
  }
}
