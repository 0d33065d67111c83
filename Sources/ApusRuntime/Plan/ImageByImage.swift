import ApusGraph

/// Whether a batch is run image by image: planned for one, and repeated.
///
/// A layer's results for one image are read by the next layer while they are in the caches; those of a whole batch are not. The
/// weights come from farther away once an image. The results are those of a batch, bit for bit: no sum goes over images.
struct ImageByImage {
  let program: Program
  let symbols: [Symbol]
  let tensors: [ConstantTensor]

  /// The batch that all inputs share as their first extent, where one image is a shape that the model takes; else nil.
  func batch(_ shapes: [[Int]]) -> Int? {
    guard program.states.isEmpty, program.captures.isEmpty, !program.feedsShapes.contains(true),
      let images = shapes.first?.first, images > 1
    else { return nil }
    for (id, extents) in zip(program.graph.inputs, shapes) {
      guard let type = program.graph.values[Int(id)].type?.tensor, type.elementType == .float32, let shape = type.shape,
        shape.rank > 1, extents.first == images, case .symbol(let symbol) = shape[0]
      else { return nil }
      let limits = symbols[Int(symbol)]
      guard limits.minimum <= 1, limits.multiple <= 1 else { return nil }
      for axis in 1..<shape.rank where shape[axis].value == nil && shape[axis] == shape[0] { return nil }
    }
    return images
  }

  /// - Parameters:
  ///   - whole: types for `images` images.
  ///   - one: types for one.
  func pays(_ images: Int, whole: TypeInference, one: TypeInference) -> Bool {
    var (results, largest, weights) = (0, 0, 0)
    var counted: [TensorID] = []
    for node in program.nodes {
      guard treatsImagesAlone(node, one) else { return false }
      var bytes = 0
      for id in node.reads + node.node.outputs where id >= 0 {
        if let constant = program.graph.values[Int(id)].constant {
          if counted.contains(constant) { continue }
          counted.append(constant)
          weights += (elementCount(tensors[Int(constant)].dimensions) ?? 0) * 4
          continue
        }
        guard let extents = one.type(id)?.shape?.known, let all = whole.type(id)?.shape?.known, extents.first == 1,
          all.first == images, extents.dropFirst() == all.dropFirst(), let count = elementCount(extents)
        else { return false }
        bytes += count * 4
        if node.node.outputs.contains(id) { results += count * 4 }
      }
      largest = max(largest, bytes)
    }
    // A batch whose layers stay in a second-level cache has nothing to gain; nor has one of a model that is mostly weights.
    return largest * images > 1 << 20 && results >= weights / 4
  }

  /// Whether each image's results are those that it would have alone, given that they have the shape: their first extent is the
  /// batch, and no other.
  private func treatsImagesAlone(_ node: ProgramNode, _ types: TypeInference) -> Bool {
    let inputs = node.node.inputs
    guard node.node.domain == .onnx, node.captured.isEmpty, inputs.count > 0, !isConstant(inputs[0]) || inputs.count == 2,
      node.node.outputs.count == 1
    else { return false }
    if let bias = node.bias, !isConstant(bias) { return false }
    let name = node.node.operatorName
    for binary: StaticString in ["Add", "Sub", "Mul", "Div"] where name.is(binary) { return meet(inputs[0], inputs[1], types) }
    if name.is("Concat") { return !inputs.contains { isConstant($0) } }
    if isConstant(inputs[0]) { return false }
    for id in inputs.dropFirst() where id >= 0 && !isConstant(id) { return false }
    for alone: StaticString in [
      "Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "BatchNormalization", "LRN",
      "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Relu", "LeakyRelu", "Sigmoid", "Tanh", "Clip", "HardSigmoid", "HardSwish",
      "Swish", "Elu", "Gelu", "Mish", "Softplus",
    ] where name.is(alone) {
      return true
    }
    if name.is("Gemm") || name.is("MatMul") { return isPlainProduct(node) }
    return false
  }

  private func isConstant(_ id: ValueID) -> Bool { id >= 0 && program.graph.values[Int(id)].constant != nil }

  private func dimensions(_ id: ValueID) -> [Int]? {
    id < 0 ? nil : program.graph.values[Int(id)].constant.map { tensors[Int($0)].dimensions }
  }

  /// Whether operands broadcast against each other with images beside images.
  private func meet(_ a: ValueID, _ b: ValueID, _ types: TypeInference) -> Bool {
    if isConstant(a) { return !isConstant(b) && meet(b, a, types) }
    guard let rank = types.type(a)?.shape?.rank else { return false }
    guard let constant = dimensions(b) else { return types.type(b)?.shape?.rank == rank }
    return constant.count < rank || (constant.count == rank && constant[0] == 1)
  }

  /// Of rows that follow one another in the left operand with one matrix, and a bias of columns.
  private func isPlainProduct(_ node: ProgramNode) -> Bool {
    let inputs = node.node.inputs
    guard inputs.count > 1, dimensions(inputs[1])?.count == 2 else { return false }
    for attribute in node.node.attributes where attribute.name.is("transA") {
      guard case .int(0) = attribute.value else { return false }
    }
    guard inputs.count > 2, inputs[2] >= 0 else { return true }
    guard let bias = dimensions(inputs[2]) else { return false }
    return bias.count < 2 || bias[0] == 1
  }
}
