import ApusGraph

extension Compiler {
  /// Whether a node is a DequantizeLinear of constants of 4 or 8 bits to float32, which then is a constant that nobody computes
  /// yet: matrix products read the elements as they are stored, what else reads it gets floats when the model is prepared.
  func dequantizes(_ node: ProgramNode) throws(ApusError) -> Bool {
    let inputs = node.node.inputs
    guard node.node.operatorName.is("DequantizeLinear"), inputs.count >= 2, node.node.outputs.first.map({ $0 >= 0 }) == true,
      let elements = constant(inputs[0]), let scales = constant(inputs[1]), constants.tensors[Int(elements)].dimensions.count >= 2
    else { return false }
    switch constants.tensors[Int(elements)].elementType {
    case .int8, .uint8, .int4, .uint4: break
    default: return false
    }
    let reader = try attributes(of: node)
    let type = Int32(truncatingIfNeeded: reader.int("output_dtype") ?? 0)
    let scaleType = constants.tensors[Int(scales)].elementType
    guard scaleType == .float32 || scaleType == .float16, (type == 0 ? scaleType.rawValue : type) == ElementType.float32.rawValue
    else { return false }
    let operands = inputs.map { id in
      constant(id).map { id in
        let tensor = constants.tensors[Int(id)]
        return Operand(type: TensorType(tensor.elementType, Shape(tensor.dimensions)))
      }
    }
    guard let layout = try QuantizationLayout(InferenceContext(attributes: reader, inputs: operands, tensors: constants.tensors))
    else { return false }
    let zeros = inputs.count > 2 ? constant(inputs[2]) : nil
    setConstant(
      node.node.outputs[0],
      constants.dequantized(QuantizedTensor(elements: elements, scales: scales, zeros: zeros, layout: layout)))
    return true
  }

  /// Lets a Gather read rows of a table of 8 bits as it is stored: what it found is dequantized, in place of the table.
  func quantizeTables() throws(ApusError) {
    guard let version = registry.schemas(domain: .onnx, name: "DequantizeLinear").last?.versions.last else { return }
    var nodes: [ProgramNode] = []
    for node in program.nodes {
      if let table = try quantizedTable(node) {
        nodes += try found(node, in: table, version)
      } else {
        nodes.append(node)
      }
    }
    program.nodes = nodes
  }

  /// The table that a Gather takes rows of, if it is a quantized matrix.
  private func quantizedTable(_ node: ProgramNode) throws(ApusError) -> QuantizedTensor? {
    guard isStandard(node, "Gather"), node.isPlain, let wide = constant(node.node.inputs[0]),
      let table = constants.quantized(wide), let axis = try attributes(of: node).int("axis"), axis == 0
    else { return nil }
    let tensor = constants.tensors[Int(table.elements)]
    return tensor.dimensions.count == 2 && tensor.elementType.bitWidth == 8 ? table : nil
  }

  /// Gathers of the elements, and of scales and zero points where rows have their own, and the DequantizeLinear of these.
  private func found(
    _ node: ProgramNode, in table: QuantizedTensor, _ version: Int32
  ) throws(ApusError) -> [ProgramNode] {
    let result = node.node.outputs[0]
    let (name, shape) = (program.graph.values[Int(result)].name, program.graph.values[Int(result)].type?.tensor?.shape)
    let (layout, extents) = (table.layout, constants.tensors[Int(table.elements)].dimensions)
    var made: [ProgramNode] = []
    func rows(of tensor: TensorID) -> ValueID {
      let constant = constants.tensors[Int(tensor)]
      var found: Shape?
      if let shape { found = Shape(Array(shape.dimensions.dropLast()) + constant.dimensions.dropFirst().map { .known($0) }) }
      let value = addValue(Value(name: name, type: .tensor(TensorType(constant.elementType, found))))
      var gather = node.node
      gather.inputs[0] = addConstant(tensor, name: name)
      gather.outputs = [value]
      made.append(ProgramNode(gather))
      return value
    }
    var attributes = [
      Attribute("axis", .int(-1)), Attribute("output_dtype", .int(Int64(ElementType.float32.rawValue))),
    ]
    var inputs = [rows(of: table.elements)]
    // Rows have their own scales: one each, or one for each block.
    let ofRows = layout.outerStride != 0 || (layout.blockStride != 0 && layout.outer == 1 && layout.axis == extents[0])
    if ofRows {
      let blocks = constants.tensors[Int(table.scales)].dimensions.count == 2
      guard !blocks || layout.inner == 1 else { return [node] }
      attributes.append(Attribute("block_size", .int(Int64(blocks ? layout.block : extents[1]))))
      for tensor in [table.scales, table.zeros] {
        guard let tensor else { continue }
        inputs.append(rows(of: blocks ? tensor : try column(tensor)))
      }
    } else {
      for tensor in [table.scales, table.zeros] {
        if let tensor { inputs.append(addConstant(tensor, name: name)) }
      }
    }
    made.append(
      ProgramNode(
        Node(
          name: node.node.name, operatorName: "DequantizeLinear", sinceVersion: version, inputs: inputs, outputs: [result],
          attributes: attributes)))
    return made
  }

  /// A vector as a matrix of one column.
  private func column(_ id: TensorID) throws(ApusError) -> TensorID {
    let tensor = constants.tensors[Int(id)]
    let bytes = try constants.bytes(id)
    let made = try constants.add(
      byteCount: bytes.count, tensor.elementType, dimensions: tensor.dimensions + [1], name: tensor.name)
    made.target.copyMemory(from: bytes)
    return made.id
  }
}
