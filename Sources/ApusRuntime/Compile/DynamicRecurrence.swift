import ApusGraph

extension Compiler {
  /// Gives a com.microsoft DynamicQuantizeLSTM its projection by one product of integers for all steps, items and directions:
  ///
  ///     q, s, z = DynamicQuantizeLinear(X); MatMulIntegerToFloat(q, W, s, W_scale, z, W_zero_point)
  ///
  /// with W as one matrix `[input, directions 4 hidden]`. The layer itself reads that in place of X.
  func expandDynamicLSTM() throws(ApusError) {
    guard let rows = registry.schemas(domain: .apus, name: "DynamicQuantizeLinear").last?.versions.last,
      let product = registry.schemas(domain: .microsoft, name: "MatMulIntegerToFloat").last?.versions.last,
      let reshape = registry.schemas(domain: .onnx, name: "Reshape").last?.versions.last
    else { return }
    var nodes: [ProgramNode] = []
    for node in program.nodes {
      guard node.node.domain == .microsoft, node.node.operatorName.is("DynamicQuantizeLSTM"), node.original == nil,
        let weights = try projectionWeights(node.node)
      else {
        nodes.append(node)
        continue
      }
      let name = node.node.name
      let width = constants.tensors[Int(weights.matrix)].dimensions[0]
      let flat = addValue(Value(name: name)), xw = addValue(Value(name: name))
      let quantized = (0..<3).map { _ in addValue(Value(name: name)) }
      let shape = addConstant(try constants.add([-1, Int64(width)], dimensions: [2], name: name), name: name)
      nodes.append(
        ProgramNode(
          Node(
            name: name, operatorName: "Reshape", sinceVersion: reshape, inputs: [node.node.inputs[0], shape], outputs: [flat])))
      nodes.append(
        ProgramNode(
          Node(
            name: name, domain: .apus, operatorName: "DynamicQuantizeLinear", sinceVersion: rows, inputs: [flat],
            outputs: quantized)))
      nodes.append(
        ProgramNode(
          Node(
            name: name, domain: .microsoft, operatorName: "MatMulIntegerToFloat", sinceVersion: product,
            inputs: [
              quantized[0], addConstant(weights.matrix, name: name), quantized[1], addConstant(weights.scales, name: name),
              quantized[2], addConstant(weights.zeros, name: name),
            ], outputs: [xw])))
      var layer = node
      layer.original = node.node
      layer.node.inputs[0] = xw
      // The weights of the projection are read no more.
      layer.node.inputs[1] = xw
      nodes.append(layer)
    }
    program.nodes = nodes
  }

  /// W, its scales and zero points, `[input, directions 4 hidden]` and one of each for a column; nil where they are no constants.
  private func projectionWeights(
    _ node: Node
  ) throws(ApusError) -> (matrix: TensorID, scales: TensorID, zeros: TensorID)? {
    guard node.inputs.count > 11, let w = constant(node.inputs[1]), let scale = constant(node.inputs[8]),
      let zero = constant(node.inputs[9]), constant(node.inputs[2]) != nil, constant(node.inputs[10]) != nil,
      constant(node.inputs[11]) != nil
    else { return nil }
    let tensor = constants.tensors[Int(w)]
    guard tensor.dimensions.count == 3 else { return nil }
    let (directions, width, columns) = (tensor.dimensions[0], tensor.dimensions[1], tensor.dimensions[2])
    let all = try directions.checkedMultiplied(by: columns)
    let count = try all.checkedMultiplied(by: width)
    let (scaleFloats, zeroBytes) = (try constants.floats(scale), try constants.contents(zero))
    guard directions > 0, columns > 0, scaleFloats.count == directions || scaleFloats.count == all,
      zeroBytes.count == directions || zeroBytes.count == all
    else { return nil }
    let source = try constants.bytes(w)
    guard source.count == count else { return nil }
    let made = try constants.add(byteCount: count, tensor.elementType, dimensions: [width, all], name: tensor.name)
    for direction in 0..<directions {
      for row in 0..<width {
        let from = (direction * width + row) * columns, to = row * all + direction * columns
        made.target[to..<to + columns].copyBytes(from: source[from..<from + columns])
      }
    }
    func perColumn<Element>(_ values: [Element]) -> [Element] {
      values.count == all ? values : (0..<all).map { values[$0 / columns] }
    }
    let zeros = try constants.add(byteCount: all, tensor.elementType, dimensions: [all], name: tensor.name)
    zeros.target.copyBytes(from: perColumn(zeroBytes))
    return (made.id, try constants.add(perColumn(scaleFloats), dimensions: [all], name: tensor.name), zeros.id)
  }
}
