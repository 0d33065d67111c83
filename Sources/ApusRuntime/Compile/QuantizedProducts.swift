import ApusGraph

/// Weights of 8 bits with one scale and zero point for all, or one for each result channel.
private struct QuantizedWeights {
  let q: ValueID
  let type: ElementType
  let scale: ValueID
  let zero: ValueID
  let scales: [Float]
  /// How many result channels there are; nil where they are computed.
  let channels: Int?
}

/// Convolutions and matrix products of 8-bit operands.
extension QuantizedFusion {
  /// A Conv, MatMul or Gemm on 8-bit operands as the operator on integers that it is; nil where there is none.
  func product(
    _ node: ProgramNode, _ quantum: Quantum, _ bounds: (low: Int32, high: Int32), to output: ValueID, _ spent: inout [ValueID]
  ) throws(ApusError) -> ProgramNode? {
    guard var made = try integerProduct(node, quantum, to: output), let binding = evaluator.bindings.kernel(of: made.node) else {
      return nil
    }
    if bounds.low > quantum.low || bounds.high < quantum.high {
      guard binding.tail.contains(.bounds) else { return nil }
      made.tail = QuantizedTail(low: bounds.low, high: bounds.high)
    }
    spent += node.node.inputs.filter { $0 >= 0 }
    return made
  }

  private func integerProduct(
    _ node: ProgramNode, _ quantum: Quantum, to output: ValueID
  ) throws(ApusError) -> ProgramNode? {
    guard node.node.inputs.count >= 2, let x = source(node.node.inputs[0]) else { return nil }
    if compiler.isStandard(node, "Conv") {
      guard let w = weights(node.node.inputs[1], axis: 0) else { return nil }
      var bias = ValueID.absent
      if node.node.inputs.count > 2, node.node.inputs[2] >= 0 {
        guard let found = try self.bias(node.node.inputs[2], x.quantum, w, mayRound: true) else { return nil }
        bias = found
      }
      return try made(
        "QLinearConv", .onnx, node, try operands(x, w) + (try parameters(quantum)) + [bias], output, node.node.attributes)
    }
    if compiler.isStandard(node, "MatMul") {
      guard let w = weights(node.node.inputs[1], axis: -1) else { return nil }
      return try made("QLinearMatMul", .onnx, node, try operands(x, w) + (try parameters(quantum)), output, [])
    }
    guard let gemm = try gemmOperands(node, x, mayRound: true) else { return nil }
    return try made("QGemm", .microsoft, node, gemm + (try parameters(quantum)), output, turns(node))
  }

  /// Products whose results stay floats.
  func joinFloatResults() throws(ApusError) {
    open()
    var spent = Array(repeating: false, count: compiler.program.graph.values.count)
    for position in slots.indices {
      guard let node = slots[position].first, node.isPlain, node.node.inputs.count >= 2, let x = source(node.node.inputs[0]),
        compiler.elementType(of: node.node.outputs[0]) == .float32
      else { continue }
      var found: ProgramNode?
      if compiler.isStandard(node, "MatMul"), let w = weights(node.node.inputs[1], axis: -1) {
        let operands = try operands(x, w)
        found = try made(
          "MatMulIntegerToFloat", .microsoft, node,
          [operands[0], operands[3], operands[1], operands[4], operands[2], operands[5]], node.node.outputs[0], [])
      } else if let gemm = try gemmOperands(node, x, mayRound: false) {
        found = try made("QGemm", .microsoft, node, gemm, node.node.outputs[0], turns(node))
      }
      guard let found, evaluator.bindings.canRun(found.node) else { continue }
      slots[position] = [found]
      for id in node.node.inputs where id >= 0 { spent[Int(id)] = true }
    }
    close()
    compiler.program.nodes = compiler.removingUnread(compiler.program.nodes) { node in
      node.node.outputs.contains { $0 >= 0 && Int($0) < spent.count && spent[Int($0)] }
    }
  }

  /// A, B and C of a QGemm with their scales and zero points, or nil.
  private func gemmOperands(
    _ node: ProgramNode, _ x: DequantizedValue, mayRound: Bool
  ) throws(ApusError) -> [ValueID]? {
    guard compiler.isStandard(node, "Gemm"), let reader = try? compiler.attributes(of: node), (reader.float("alpha") ?? 1) == 1,
      (reader.float("beta") ?? 1) == 1, let w = weights(node.node.inputs[1], axis: reader.flag("transB") ? 0 : 1)
    else { return nil }
    var bias = ValueID.absent
    if node.node.inputs.count > 2, node.node.inputs[2] >= 0 {
      guard let found = try self.bias(node.node.inputs[2], x.quantum, w, mayRound: mayRound) else { return nil }
      bias = found
    }
    return try operands(x, w) + [bias]
  }

  private func turns(_ node: ProgramNode) -> [Attribute] {
    node.node.attributes.filter { $0.name == "transA" || $0.name == "transB" }
  }

  private func made(
    _ name: Name, _ domain: Name, _ node: ProgramNode, _ inputs: [ValueID], _ output: ValueID, _ attributes: [Attribute]
  ) throws(ApusError) -> ProgramNode? {
    guard let version = compiler.registry.schemas(domain: domain, name: name).last?.versions.last else { return nil }
    return ProgramNode(
      Node(
        name: node.node.name, domain: domain, operatorName: name, sinceVersion: version, inputs: inputs, outputs: [output],
        attributes: attributes))
  }

  // MARK: Operands

  private func operands(_ x: DequantizedValue, _ w: QuantizedWeights) throws(ApusError) -> [ValueID] {
    let zeroX = try zero(x.quantum.zeroValue, x.quantum.type)
    return [x.q, x.quantum.scaleValue, zeroX, w.q, w.scale, try zero(w.zero, w.type)]
  }

  private func parameters(_ quantum: Quantum) throws(ApusError) -> [ValueID] {
    [quantum.scaleValue, try zero(quantum.zeroValue, quantum.type)]
  }

  /// A zero point that may be left out, as a constant that is there.
  private func zero(_ id: ValueID, _ type: ElementType) throws(ApusError) -> ValueID {
    if id >= 0 { return id }
    let made = try compiler.constants.add(byteCount: 1, type, dimensions: [], name: "zero_point")
    made.target[0] = 0
    sources.append(nil)
    return compiler.addConstant(made.id, name: "zero_point")
  }

  /// The 8-bit weights that an operand was dequantized from, per tensor or along `axis` of a constant.
  private func weights(_ id: ValueID, axis: Int) -> QuantizedWeights? {
    guard id >= 0, let node = writer(of: id), isDequantize(node) else { return nil }
    let q = node.node.inputs[0]
    var channels: Int?
    var position = axis
    if let tensor = compiler.constant(q) {
      let dimensions = compiler.constants.tensors[Int(tensor)].dimensions
      position = axis < 0 ? dimensions.count + axis : axis
      guard dimensions.count >= 2 else { return nil }
      channels = dimensions[position]
    }
    if let found = source(id) {
      return QuantizedWeights(
        q: q, type: found.quantum.type, scale: found.quantum.scaleValue, zero: found.quantum.zeroValue,
        scales: [found.quantum.scale], channels: channels)
    }
    guard let channels, let type = compiler.elementType(of: q), type == .int8 || type == .uint8,
      compiler.elementType(of: id) == .float32, let scale = compiler.constant(node.node.inputs[1]),
      compiler.constants.areFloat32([scale]), compiler.constants.tensors[Int(scale)].dimensions == [channels],
      let reader = try? compiler.attributes(of: node), (reader.int("block_size") ?? 0) == 0,
      let tensor = compiler.constant(q), let scales = try? compiler.constants.floats(scale)
    else { return nil }
    let stated = reader.int("axis") ?? 1
    guard (stated < 0 ? compiler.constants.tensors[Int(tensor)].dimensions.count + stated : stated) == position else {
      return nil
    }
    var zero = ValueID.absent
    if node.node.inputs.count > 2 { zero = node.node.inputs[2] }
    guard zero < 0 || compiler.constant(zero) != nil else { return nil }
    return QuantizedWeights(
      q: q, type: type, scale: node.node.inputs[1], zero: zero, scales: scales, channels: channels)
  }

  /// A bias as integers of the scale of the sums, one a channel: those of the file where it has them so, else rounded.
  private func bias(
    _ id: ValueID, _ x: Quantum, _ w: QuantizedWeights, mayRound: Bool
  ) throws(ApusError) -> ValueID? {
    guard let channels = w.channels else { return nil }
    let sumScales = (0..<channels).map { Double(x.scale) * Double(w.scales[w.scales.count == 1 ? 0 : $0]) }
    var reals: [Double] = []
    if let tensor = compiler.constant(id), compiler.constants.areFloat32([tensor]) {
      reals = try compiler.constants.floats(tensor).map { Double($0) }
    } else if let node = writer(of: id), isDequantize(node), let tensor = compiler.constant(node.node.inputs[0]),
      compiler.constants.tensors[Int(tensor)].elementType == .int32, let scale = compiler.constant(node.node.inputs[1]),
      compiler.constants.areFloat32([scale]), node.node.inputs.count < 3 || isZero(node.node.inputs[2]),
      let numbers = ElementType.int32.integers(try compiler.constants.contents(tensor))
    {
      let scales = try compiler.constants.floats(scale)
      guard scales.count == 1 || scales.count == numbers.count, !scales.isEmpty else { return nil }
      let known = numbers.indices.map { Double(scales[scales.count == 1 ? 0 : $0]) }
      if numbers.count == channels, zip(known, sumScales).allSatisfy({ abs($0 - $1) <= 1e-6 * $1 }) {
        return node.node.inputs[0]
      }
      reals = zip(numbers, known).map { Double($0) * $1 }
    }
    guard mayRound, !reals.isEmpty, reals.count == 1 || reals.count == channels else { return nil }
    var rounded: [Int64] = []
    for (channel, scale) in sumScales.enumerated() {
      let steps = (reals[reals.count == 1 ? 0 : channel] / scale).rounded(.toNearestOrEven)
      guard abs(steps) < 0x1p31, let whole = Int64(exactly: steps) else { return nil }
      rounded.append(whole)
    }
    guard let bytes = ElementType.int32.bytes(of: rounded) else { return nil }
    let made = try compiler.constants.add(byteCount: bytes.count, .int32, dimensions: [channels], name: "bias")
    made.target.copyBytes(from: bytes)
    sources.append(nil)
    return compiler.addConstant(made.id, name: "bias")
  }

  private func isZero(_ id: ValueID) -> Bool {
    if id < 0 { return true }
    guard let tensor = compiler.constant(id), let bytes = try? compiler.constants.contents(tensor) else { return false }
    return bytes.allSatisfy { $0 == 0 }
  }
}
