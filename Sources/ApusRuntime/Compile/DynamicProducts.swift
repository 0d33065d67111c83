import ApusGraph

extension Compiler {
  /// Makes one MatMulIntegerToFloat of a MatMulInteger of dynamically quantized rows, the Cast of its sums, the product with both
  /// scales and the sum with a bias vector:
  ///
  ///     q, s, z = DynamicQuantizeLinear(x); Add(Mul(Cast(MatMulInteger(q, W, z, v)), Mul(s, w)), b)
  ///
  /// in any order of operands: the same roundings in the same order.
  func fuseDynamicProducts(_ bindings: KernelBindings) {
    guard
      let version = registry.schemas(domain: .microsoft, name: "MatMulIntegerToFloat").last?.versions.last,
      bindings.canRun(
        Node(domain: .microsoft, operatorName: "MatMulIntegerToFloat", sinceVersion: version, inputs: [], outputs: []))
    else { return }
    let counts = program.readerCounts()
    let writers = program.writers()
    var readers: [Int?] = Array(repeating: nil, count: program.graph.values.count)
    for (position, node) in program.nodes.enumerated() {
      for id in node.reads where counts[Int(id)] == 1 { readers[Int(id)] = position }
    }
    /// The only reader of a node's result, and its other operand.
    func reader(_ position: Int) -> (position: Int, other: ValueID)? {
      let result = program.nodes[position].node.outputs[0]
      guard let next = readers[Int(result)], program.nodes[next].isPlain, program.nodes[next].captured.isEmpty else { return nil }
      let inputs = program.nodes[next].node.inputs
      return (next, inputs.count == 2 ? inputs[inputs[0] == result ? 1 : 0] : .absent)
    }
    var removed: [Int] = []
    for position in program.nodes.indices {
      let product = program.nodes[position]
      guard isStandard(product, "MatMulInteger"), product.isPlain, product.node.inputs.count > 2,
        let quantizer = writers[Int(product.node.inputs[0])], quantizesRows(program.nodes[quantizer]),
        program.nodes[quantizer].node.outputs == [
          product.node.inputs[0], program.nodes[quantizer].node.outputs[1], product.node.inputs[2],
        ],
        let columns = columns(product.node.inputs[1]),
        let cast = reader(position), isCastToFloat(program.nodes[cast.position]),
        let scaled = reader(cast.position), isStandard(program.nodes[scaled.position], "Mul"), scaled.other >= 0,
        let scales = writers[Int(scaled.other)], isStandard(program.nodes[scales], "Mul"), program.nodes[scales].isPlain
      else { continue }
      let scaleA = program.nodes[quantizer].node.outputs[1]
      let factors = program.nodes[scales].node.inputs
      guard factors.contains(scaleA), let scaleB = factors.first(where: { $0 != scaleA }),
        isVector(scaleB, columns, orNumber: true)
      else { continue }
      var made = Node(
        name: product.node.name, domain: .microsoft, operatorName: "MatMulIntegerToFloat", sinceVersion: version,
        inputs: [
          product.node.inputs[0], product.node.inputs[1], scaleA, scaleB, product.node.inputs[2],
          product.node.inputs.count > 3 ? product.node.inputs[3] : .absent,
        ], outputs: program.nodes[scaled.position].node.outputs)
      var last = scaled.position
      if let sum = reader(scaled.position), isStandard(program.nodes[sum.position], "Add"), sum.other >= 0,
        isVector(sum.other, columns, orNumber: false)
      {
        made.inputs.append(sum.other)
        made.outputs = program.nodes[sum.position].node.outputs
        removed.append(scaled.position)
        last = sum.position
      }
      removed += [position, cast.position]
      if counts[Int(scaled.other)] == 1 { removed.append(scales) }
      program.nodes[last] = ProgramNode(made)
    }
    remove(removed)
  }

  private func quantizesRows(_ node: ProgramNode) -> Bool {
    node.node.operatorName.is("DynamicQuantizeLinear") && (node.node.domain == .onnx || node.node.domain == .apus)
      && node.node.outputs.count == 3
  }

  private func isCastToFloat(_ node: ProgramNode) -> Bool {
    (isStandard(node, "Cast") || isStandard(node, "CastLike")) && elementType(of: node.node.outputs[0]) == .float32
  }

  /// The columns of a constant matrix.
  private func columns(_ id: ValueID) -> Int? {
    guard let tensor = constant(id), constants.tensors[Int(tensor)].dimensions.count == 2 else { return nil }
    return constants.tensors[Int(tensor)].dimensions[1]
  }

  /// Whether a value is a constant vector of floats of so many elements, or one number.
  private func isVector(_ id: ValueID, _ count: Int, orNumber: Bool) -> Bool {
    guard let tensor = constant(id), constants.areFloat32([tensor]) else { return false }
    let dimensions = constants.tensors[Int(tensor)].dimensions
    return dimensions == [count] || (orNumber && dimensions.count <= 1 && elementCount(dimensions) == 1)
  }
}
