import ApusGraph

// ONNX Runtime's matrix products around ONNX's own.

extension Lowering {
  static let matrixProducts: [Rule] = [
    Rule("FusedMatMul", { node throws(ApusError) in try fusedProduct(node) }),
    Rule("TransposeMatMul", { node throws(ApusError) in try fusedProduct(node) }),
    Rule("FusedGemm", { node throws(ApusError) in try fusedGemm(node) }),
    Rule("DynamicQuantizeMatMul", { node throws(ApusError) in try dynamicProduct(node) }),
  ]

  /// `alpha A' B'`: the last two axes turned by transA, the first moved behind the batch axes by transBatchA.
  private static func fusedProduct(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(2)
    let alpha = try node.takeFloat("alpha") ?? 1
    var operands: [ValueID] = []
    let names: [(turn: Name, batch: Name)] = [("transA", "transBatchA"), ("transB", "transBatchB")]
    for (index, name) in names.enumerated() {
      let isTurned = try node.takeInt(name.turn) ?? 0 != 0
      let movesBatch = try node.takeInt(name.batch) ?? 0 != 0
      var value = node.input(index)
      if isTurned || movesBatch {
        let rank = try node.rank(value)
        var order = Array(0..<rank)
        if movesBatch, rank > 2 { order = Array(1..<(rank - 1)) + [0, rank - 1] }
        if isTurned, rank > 1 { order.swapAt(rank - 2, rank - 1) }
        if order != Array(0..<rank) { value = try node.emit("Transpose", [value], [permutation(order)]) }
      }
      operands.append(value)
    }
    guard alpha != 1 else { return node.replace("MatMul", operands) }
    let product = try node.emit("MatMul", operands)
    node.replace("Mul", [product, try node.scalar(alpha, like: node.input(0))])
  }

  /// Gemm and the activation behind it.
  private static func fusedGemm(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(2)
    let activation = try node.takeString("activation") ?? .empty
    var parameters: [Float] = []
    for name: Name in ["activation_alpha", "activation_beta", "activation_gamma"] {
      if let value = try node.takeFloat(name) { parameters.append(value) }
    }
    guard !activation.isEmpty else { return node.replace("Gemm", node.node.inputs, node.node.attributes) }
    let product = try node.emit("Gemm", node.node.inputs, node.node.attributes)
    let last = try activated(node, activation, parameters, product)
    node.replace(last.name, last.inputs, last.attributes)
  }

  /// `A' (B - b_zero_point) b_scale + bias` with A' quantized as it comes: A, B, b_scale, b_zero_point, bias.
  private static func dynamicProduct(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(3)
    let quantized = [node.temporary(), node.temporary(), node.temporary()]
    try node.emit("DynamicQuantizeLinear", [node.input(0)], outputs: quantized)
    let bias = node.input(4)
    let result = try integerProduct(
      node, (quantized[0], quantized[1], quantized[2]), (node.input(1), node.input(2), node.input(3)))
    if bias >= 0 {
      node.replace("Add", [result, bias])
    } else {
      node.replace("Identity", [result])
    }
  }

  /// The product, in floats, of two quantized operands given with their scales and zero points.
  static func integerProduct(
    _ node: Adaptation, _ a: (value: ValueID, scale: ValueID, zero: ValueID),
    _ b: (value: ValueID, scale: ValueID, zero: ValueID)
  ) throws(ApusError) -> ValueID {
    let sums = try node.emit("MatMulInteger", [a.value, b.value, a.zero, b.zero])
    let scale = try node.emit("Mul", [a.scale, b.scale])
    return try node.emit("Mul", [try node.emit("CastLike", [sums, scale]), scale])
  }
}
